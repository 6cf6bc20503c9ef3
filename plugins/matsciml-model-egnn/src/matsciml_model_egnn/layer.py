"""One layer of E(n)-GNN: messages along the edges, then new atom features and positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core.nn.dense import DenseStack
from matsciml_core.nn.message_graph import MessageGraph
from matsciml_core.nn.segments import segment_softmax, segment_sum
from matsciml_model_egnn._fused import fused_messages
from matsciml_model_egnn._messages import (
    EdgeInput,
    Plan,
    message_rows,
    plain_messages,
    position_weights,
    sum_messages,
)
from matsciml_model_egnn.config import EGNNConfig
from matsciml_model_egnn.layers import ACTIVATIONS, Senders

_SLOPE = 0.2
"""Slope of the leaky ReLU before the softmax of ``attention="softmax"``, that of graph attention
networks (Veličković et al., ICLR 2018, arXiv:1710.10903)."""
_LEAST_SHARE = 1e-12
"""Envelopes below this count as this much in the softmax, so that it always has something."""


@dataclass(frozen=True)
class EdgeGeometry:
    """Where the senders of a node's edges are, at the current positions."""

    vectors: Tensor
    """From the sender's image to the receiver, ``(edges, 3)``, Å."""
    distances: Tensor
    """``(edges,)``, Å."""
    features: Tensor
    """What a message sees of the distance, ``(edges, features)``."""
    scale: Tensor | None
    """Envelope of each edge, ``(edges,)``; None: 1."""
    fused: bool = False
    """Whether the networks go over the edges in blocks, see :mod:`._fused`."""


class EGNNLayer(nn.Module):
    """Messages m = φ_e([h_sender, h_receiver, features]); their sums update h and the positions.

    x' = x + Σ tanh(φ_x(m)) v/(|v| + constant), h' = h + φ_h([h, Σ m]), where v points from the
    receiver to the sender's image.

    With an envelope c, messages are summed as Σ c m, and displacements carry c, too.

    References:
        Satorras, Hoogeboom, Welling, ICML (2021), arXiv:2102.09844, Eqs. (3)-(6). Deviations, from
        the benchmark paper's program: tanh, the unit vector with a constant, no division by the
        number of neighbours.
    """

    def __init__(self, config: EGNNConfig, features: int, *, moves: bool = True) -> None:
        """Build the networks.

        Args:
            config: The encoder's settings.
            features: Width of what a message sees of the distance (and of the edge).
            moves: Whether the layer has a position network.
        """
        super().__init__()
        self.config = config
        self.features = features
        width, message = config.width, config.message_widths[-1]
        activation = ACTIVATIONS[config.activation]
        self.message = DenseStack(
            2 * width + features, config.message_widths, activation, activate_last=True
        )
        self.update = DenseStack(width + message, (*config.update_widths, width), activation)
        # A bias of the last layer would push all neighbours alike, whatever their messages say.
        self.position = (
            DenseStack(message, (*config.position_widths, 1), activation, last_bias=False)
            if moves
            else None
        )
        if self.position is not None:
            last = cast(nn.Linear, self.position.layers[-1])
            # Small: what moves an atom changes the distances that the next layers see, and adds up.
            nn.init.xavier_uniform_(last.weight, gain=config.position_gain)
        self.attention = nn.Linear(message, 1) if config.attention != "none" else None

    def forward(
        self, h: Tensor, edges: EdgeGeometry, graph: MessageGraph, senders: Senders, *, move: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Update the nodes.

        Args:
            h: Node features, ``(nodes, width)``, dimensionless.
            edges: The edges at the current positions.
            graph: Who is connected to whom.
            senders: The senders of the edges.
            move: Whether the displacements are wanted.

        Returns:
            New features ``(nodes, width)``, and displacements ``(nodes, 3)``, Å, or None.
        """
        collected, weights = self._collect(h, edges, graph, senders, move=move)
        collected = self._divide(collected, graph)
        new = self.update(torch.cat((h, collected), dim=1)).to(h.dtype)
        if self.config.residual:
            new = h + new
        if weights is None:
            return new, None
        return new, self._displacements(weights.to(h.dtype), edges, graph)

    def _collect(
        self, h: Tensor, edges: EdgeGeometry, graph: MessageGraph, senders: Senders, *, move: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the sum of messages ``(nodes, message)`` and φ_x of each edge, ``(edges,)``."""
        kind = h.device.type
        mixed = torch.is_autocast_enabled(kind)
        moves = move and self.position is not None
        plan = Plan(
            incoming=graph.incoming,
            senders=senders,
            activation=self.config.activation,
            message_layers=len(self.message.layers) - 1,
            moves=moves,
            dtype=torch.get_autocast_dtype(kind) if mixed else h.dtype,
        )
        # The first layer of φ_e is put together from its inputs, see EdgeInput.
        layers = [*self.message.layers[1:], *(self.position.layers if moves else ())]  # type: ignore[union-attr]
        weights = [parameter for layer in layers for parameter in layer.parameters()]
        x = self._edge_input(h, edges)
        if self.attention is not None:
            return self._collect_attentively(plan, x, weights, edges, graph)
        collect = fused_messages if edges.fused else plain_messages
        return collect(plan, x, weights)

    def _edge_input(self, h: Tensor, edges: EdgeGeometry) -> EdgeInput:
        w_sender, w_receiver, w_features = self.message.split_weight(
            [self.config.width, self.config.width, self.features]
        )
        return EdgeInput(
            receiver=functional.linear(h, w_receiver, self.message.first_bias),
            sender=functional.linear(h, w_sender),
            features=edges.features,
            weight=w_features,
            scale=edges.scale,
        )

    def _collect_attentively(
        self,
        plan: Plan,
        x: EdgeInput,
        weights: Sequence[Tensor],
        edges: EdgeGeometry,
        graph: MessageGraph,
    ) -> tuple[Tensor, Tensor | None]:
        messages = message_rows(plan, x, weights)
        messages = messages * self._attention(messages, edges, graph).unsqueeze(1)
        moved = None
        if plan.moves:
            moved = position_weights(plan, messages, weights[2 * plan.message_layers :])
        return sum_messages(plan, messages, x), moved

    def _attention(self, messages: Tensor, edges: EdgeGeometry, graph: MessageGraph) -> Tensor:
        """Return the weight of each message, ``(edges,)``."""
        scores: Tensor = cast(nn.Module, self.attention)(messages).squeeze(1)
        if self.config.attention == "sigmoid":
            return torch.sigmoid(scores)
        scores = functional.leaky_relu(scores.to(edges.distances.dtype), _SLOPE)
        if edges.scale is not None:  # an edge that comes in starts with no share of the sum
            scores = scores + edges.scale.clamp(min=_LEAST_SHARE).log()
        return segment_softmax(scores, graph.incoming)

    def _displacements(self, weights: Tensor, edges: EdgeGeometry, graph: MessageGraph) -> Tensor:
        if self.config.tanh:
            weights = torch.tanh(weights)
        if edges.scale is not None:
            weights = weights * edges.scale
        if self.config.normalise:
            weights = weights / (edges.distances + self.config.normalisation_constant)
        summed = segment_sum(edges.vectors * weights.unsqueeze(1), graph.incoming)
        # Towards the senders where φ_x is positive.
        return graph.allowed(-self._divide(summed, graph))

    def _divide(self, summed: Tensor, graph: MessageGraph) -> Tensor:
        if self.config.aggregation == "mean":
            return summed / graph.incoming.counts(summed.dtype).unsqueeze(1)
        average = self.config.avg_num_neighbors
        return summed if average == 1.0 else summed / average
