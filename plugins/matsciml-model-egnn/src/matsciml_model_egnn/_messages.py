"""From the nodes' shares to summed messages, in plain operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from matsciml_core.nn.segments import Segments, segment_gather, segment_sum
from matsciml_model_egnn.layers import ACTIVATIONS, Activation, Senders, gather_senders


@dataclass(frozen=True)
class Plan:
    """What the networks of the edges need beside tensors that have gradients."""

    incoming: Segments
    senders: Senders
    activation: Activation
    message_layers: int
    """Dense layers of φ_e after its first one."""
    moves: bool
    """Whether φ_x is wanted; then the remaining layers are its layers."""
    dtype: torch.dtype
    """In which the networks compute; sums are in the dtype of the features."""


@dataclass(frozen=True)
class EdgeInput:
    """The first dense layer of φ_e before it is put together, and the envelope.

    W [h_sender, h_receiver, features] + b is the sum of a share of the sender and a share of the
    receiver, which are multiplied per node and not per edge, and a product with the few features.
    """

    receiver: Tensor
    """Share of the receiver with the bias, ``(nodes, hidden)``."""
    sender: Tensor
    """Share of the sender, ``(nodes, hidden)``."""
    features: Tensor
    """What a message sees of the distance, ``(edges, features)``."""
    weight: Tensor
    """Weight on ``features``, ``(hidden, features)``."""
    scale: Tensor | None
    """Envelope, ``(edges,)``; None: 1."""


def message_rows(plan: Plan, x: EdgeInput, weights: Sequence[Tensor]) -> Tensor:
    """Return φ_e of each edge, ``(edges, message)``.

    Args:
        plan: Graph and layers.
        x: The first dense layer.
        weights: Weight ``(out, in)`` and bias ``(out,)`` of each further layer, dimensionless.
    """
    shares = segment_gather(x.receiver, plan.incoming) + gather_senders(x.sender, plan.senders)
    rows = ACTIVATIONS[plan.activation](torch.addmm(shares, x.features, x.weight.t()))
    for number in range(plan.message_layers):
        rows = _dense(rows, weights[2 * number : 2 * number + 2], plan.activation)
    return rows


def position_weights(plan: Plan, messages: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return φ_x of each edge, ``(edges,)``.

    Args:
        plan: Graph and layers.
        messages: φ_e, ``(edges, message)``, dimensionless.
        weights: Weight ``(out, in)`` and bias ``(out,)`` of each layer, and the weight of the last
            one, dimensionless.
    """
    for number in range(0, len(weights) - 1, 2):
        messages = _dense(messages, weights[number : number + 2], plan.activation)
    return functional.linear(messages, weights[-1]).squeeze(1)


def plain_messages(
    plan: Plan, x: EdgeInput, weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor | None]:
    """Return the sum of messages at each node and φ_x of each edge.

    Args:
        plan: Graph and layers.
        x: The first dense layer.
        weights: Weight ``(out, in)`` and bias ``(out,)`` of the further layers of φ_e and of
            those of φ_x, dimensionless.

    Returns:
        ``(nodes, message)`` and ``(edges,)``; None where nothing moves.
    """
    messages = message_rows(plan, x, weights)
    moved = None
    if plan.moves:
        moved = position_weights(plan, messages, weights[2 * plan.message_layers :])
    return sum_messages(plan, messages, x), moved


def sum_messages(plan: Plan, messages: Tensor, x: EdgeInput) -> Tensor:
    """Return the sum of messages at each node, ``(nodes, message)``, with the envelope.

    Args:
        plan: Graph and layers.
        messages: φ_e, ``(edges, message)``, dimensionless.
        x: The first dense layer, for the envelope.
    """
    messages = messages.to(x.features.dtype)
    if x.scale is not None:
        messages = messages * x.scale.unsqueeze(1)
    return segment_sum(messages, plan.incoming)


def _dense(rows: Tensor, layer: Sequence[Tensor], activation: Activation) -> Tensor:
    return ACTIVATIONS[activation](functional.linear(rows, *layer))
