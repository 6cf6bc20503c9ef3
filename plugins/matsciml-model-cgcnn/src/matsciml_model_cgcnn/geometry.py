"""What a convolution is told of the edges: their lengths in Gaussians, and where they end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matsciml_core import MessageGraph
from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_core.nn.radial import gaussian_basis
from matsciml_model_cgcnn.config import CGCNNConfig


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The edges of a batch, the same in all convolutions."""

    features: Tensor
    """Gaussians of the length times the envelope, ``(edges, distance_functions)``."""
    scale: Tensor
    """What a message is multiplied by: envelope x multiplicity / average number of neighbours,
    ``(edges, 1)``."""


def describe_edges(distances: Tensor, graph: MessageGraph, config: CGCNNConfig) -> Edges:
    """Return what the convolutions need to know of the edges.

    Args:
        distances: ``(edges,)``, Å.
        graph: Who is connected to whom.
        config: The encoder's settings.
    """
    features = gaussian_basis(distances / config.cutoff, config.distance_functions)
    scale = torch.full_like(distances, 1.0 / config.avg_num_neighbors)
    if config.envelope:
        envelope = polynomial_envelope(distances / config.cutoff, config.envelope_power)
        # Features end with the messages: what a gate sees of an edge that enters starts at zero.
        features, scale = features * envelope.unsqueeze(1), scale * envelope
    weights = graph.incoming.weights
    if weights is not None:  # an edge that stands for several counts as often
        scale = scale * weights.to(scale.dtype)
    return Edges(features=features, scale=scale.unsqueeze(1))
