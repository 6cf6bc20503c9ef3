"""The sum of gated messages, and its derivative in a third of the passes over the edges.

The widest tensors of the network are (edges, 2 message width). Written out, the sum of
σ(z₁) ⊙ g(z₂) keeps nine of them for the backward pass, and goes over each several times. Here four
are kept, and the derivative is written by hand. Where a second derivative may be asked for, as
forces need it, the sum is written out, and autograd does the rest.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from matsciml_core import MessageGraph
from matsciml_core.nn.segments import Segments, segment_gather, segment_sum

_sigmoid_backward = torch.ops.aten.sigmoid_backward.default
_silu_backward = torch.ops.aten.silu_backward.default
_softplus_backward = torch.ops.aten.softplus_backward.default
_THRESHOLD = 20.0
"""Where torch's softplus becomes the identity, to rounding."""


def gated_sum(
    receiver: Tensor,
    sender: Tensor,
    features: Tensor,
    weight: Tensor,
    scale: Tensor,
    graph: MessageGraph,
    activation: str,
) -> Tensor:
    """Return Σ_j scale_ij σ(z₁) ⊙ g(z₂) with [z₁, z₂]_ij = receiver_i + sender_j + features_ij Wᵀ.

    Args:
        receiver: Share of the node that receives, ``(nodes, 2 width)``, dimensionless.
        sender: Share of the node that sends, ``(nodes, 2 width)``, dimensionless.
        features: What is seen of an edge, ``(edges, features)``, dimensionless.
        weight: W, ``(2 width, features)``, dimensionless.
        scale: Factor of each edge, multiplicity included, ``(edges, 1)``, dimensionless.
        graph: Who is connected to whom.
        activation: g, ``silu`` or ``softplus``.

    Returns:
        ``(nodes, width)``, dimensionless.
    """
    # Multiplicities are in the scale already, so the sums here count each row once.
    incoming = Segments(graph.incoming.index, graph.incoming.lengths)
    arguments = (receiver, sender, features, weight, scale, incoming, graph.sender, activation)
    geometry_moves = features.requires_grad or scale.requires_grad
    mixed = torch.is_autocast_enabled(receiver.device.type)
    if geometry_moves or mixed or torch.compiler.is_compiling():
        return _written_out(*arguments)
    return _GatedSum.apply(*arguments)  # type: ignore[no-any-return,no-untyped-call]


def _written_out(
    receiver: Tensor,
    sender: Tensor,
    features: Tensor,
    weight: Tensor,
    scale: Tensor,
    incoming: Segments,
    sender_index: Tensor,
    activation: str,
) -> Tensor:
    """Return the sum in operations that autograd can differentiate any number of times."""
    z = segment_gather(receiver, incoming) + sender.index_select(0, sender_index)
    z = z + functional.linear(features, weight)  # (edges, 2 width)
    gate, content = z.chunk(2, dim=1)
    activate = functional.silu if activation == "silu" else functional.softplus
    return segment_sum(torch.sigmoid(gate) * activate(content) * scale, incoming)


class _GatedSum(torch.autograd.Function):
    """The sum with its derivative by hand; edges' features and scale are constants here."""

    @staticmethod
    def forward(
        ctx: Any,
        receiver: Tensor,
        sender: Tensor,
        features: Tensor,
        weight: Tensor,
        scale: Tensor,
        incoming: Segments,
        sender_index: Tensor,
        activation: str,
    ) -> Tensor:
        """Sum, see :func:`gated_sum`.

        Args:
            ctx: Keeps what the derivative needs.
            receiver: ``(nodes, 2 width)``, dimensionless.
            sender: ``(nodes, 2 width)``, dimensionless.
            features: ``(edges, features)``, dimensionless.
            weight: ``(2 width, features)``, dimensionless.
            scale: ``(edges, 1)``, dimensionless.
            incoming: The edges that enter each node, each once.
            sender_index: Sender node of each edge, ``(edges,)`` int64, dimensionless.
            activation: Of the content.
        """
        z = torch.mm(features, weight.t())  # (edges, 2 width)
        z.add_(receiver.index_select(0, incoming.index))
        z.add_(sender.index_select(0, sender_index))
        gate, content = z.chunk(2, dim=1)
        gate = torch.sigmoid(gate)
        silu = activation == "silu"
        activated = functional.silu(content) if silu else functional.softplus(content)
        ctx.save_for_backward(receiver, sender, features, weight, scale, gate, content, activated)
        ctx.rest = incoming, sender_index, activation
        return segment_sum((gate * activated).mul_(scale), incoming)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Differentiate by the nodes' shares and the weight.

        Args:
            ctx: Has what was kept.
            gradient: ``(nodes, width)``, in the loss's unit.
        """
        receiver, sender, features, weight, scale, gate, content, activated = ctx.saved_tensors
        incoming, sender_index, activation = ctx.rest
        if torch.is_grad_enabled():
            # A derivative of the derivative will be asked for: of the sum as it is written out.
            total = _written_out(
                receiver, sender, features, weight, scale, incoming, sender_index, activation
            )
            needed = [tensor for tensor in (receiver, sender, weight) if tensor.requires_grad]
            found = iter(torch.autograd.grad(total, needed, gradient, create_graph=True))
            shares = [next(found) if t.requires_grad else None for t in (receiver, sender, weight)]
            return shares[0], shares[1], None, shares[2], None, None, None, None
        width = gate.shape[1]
        upstream = gradient.index_select(0, incoming.index).mul_(scale)  # (edges, width)
        slope = upstream.new_empty(upstream.shape[0], 2 * width)
        slope[:, :width] = _sigmoid_backward(upstream * activated, gate)
        upstream.mul_(gate)
        slope[:, width:] = (
            _silu_backward(upstream, content)
            if activation == "silu"
            else _softplus_backward(upstream, content, 1.0, _THRESHOLD)
        )
        by_sender = torch.zeros_like(sender).index_add_(0, sender_index, slope)
        by_weight = torch.mm(slope.t(), features)
        return segment_sum(slope, incoming), by_sender, None, by_weight, None, None, None, None
