"""Activations, and the sum over the edges that leave an atom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

Activation = Literal["silu", "relu"]

_silu_backward = torch.ops.aten.silu_backward.default


class Senders:
    """The node each edge starts from, and the edges sorted by it.

    Edges are sorted by receiver. The gradient of a gather from the senders is a sum over edges that
    lie anywhere; sorted once per batch, it is a sum over runs, like all others.
    """

    def __init__(self, index: Tensor, nodes: int) -> None:
        """Keep the index; edges are sorted when a sum first needs it.

        Args:
            index: Sender node of each edge, ``(edges,)`` int64, dimensionless.
            nodes: Number of nodes.
        """
        self.index = index
        self.nodes = nodes
        self._sorted: tuple[Tensor, Tensor] | None = None

    def sum(self, rows: Tensor) -> Tensor:
        """Sum over the edges that leave each node.

        Args:
            rows: ``(edges, width)``, dimensionless.

        Returns:
            ``(nodes, width)``.
        """
        if rows.dtype != torch.float32 or rows.device.type != "cpu" or not rows.numel():
            return rows.new_zeros(self.nodes, rows.shape[1]).index_add_(0, self.index, rows)
        if self._sorted is None:
            counts = torch.zeros(self.nodes + 1, dtype=torch.int64)
            counts.index_add_(0, self.index + 1, torch.ones_like(self.index))
            self._sorted = torch.argsort(self.index), counts.cumsum(0)
        order, offsets = self._sorted
        # On a CPU index_add_ adds row by row; embedding_bag sums runs of rows side by side.
        return functional.embedding_bag(order, rows, offsets, mode="sum", include_last_offset=True)


def gather_senders(values: Tensor, senders: Senders) -> Tensor:
    """Give each edge its sender's row.

    Args:
        values: ``(nodes, width)``, dimensionless.
        senders: The sender of each edge.

    Returns:
        ``(edges, width)``.
    """
    return _Gather.apply(values, senders)  # type: ignore[no-any-return,no-untyped-call]


class _Gather(torch.autograd.Function):
    """Nodes → edges; its derivative is the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, senders: Senders) -> Tensor:
        """Gather.

        Args:
            ctx: Keeps the senders.
            values: ``(nodes, width)``, dimensionless.
            senders: The sender of each edge.
        """
        ctx.senders = senders
        return values.index_select(0, senders.index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Sum.

        Args:
            ctx: Has the senders.
            gradient: ``(edges, width)``, in the loss's unit.
        """
        return _Sum.apply(gradient, ctx.senders), None  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    """Edges → nodes; its derivative is the gather."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, senders: Senders) -> Tensor:
        """Sum.

        Args:
            ctx: Keeps the senders.
            rows: ``(edges, width)``, dimensionless.
            senders: The sender of each edge.
        """
        ctx.senders = senders
        return senders.sum(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gather.

        Args:
            ctx: Has the senders.
            gradient: ``(nodes, width)``, in the loss's unit.
        """
        return _Gather.apply(gradient, ctx.senders), None  # type: ignore[no-untyped-call]


class _SiLU(torch.autograd.Function):
    """SiLU whose second derivative, which training on forces needs, takes few passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Activate.

        Args:
            ctx: Keeps ``x``.
            x: ``(..., width)``, dimensionless.
        """
        ctx.save_for_backward(x)
        return functional.silu(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Multiply by the slope.

        Args:
            ctx: Has ``x``.
            gradient: ``(..., width)``, in the loss's unit.
        """
        return _Slope.apply(gradient, *ctx.saved_tensors)  # type: ignore[no-any-return,no-untyped-call]


class _Slope(torch.autograd.Function):
    """The gradient times the slope of SiLU."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor) -> Tensor:
        """Multiply by the slope.

        Args:
            ctx: Keeps both.
            gradient: ``(..., width)``, in the loss's unit.
            x: ``(..., width)``, dimensionless.
        """
        ctx.save_for_backward(gradient, x)
        slope: Tensor = _silu_backward(gradient, x)
        return slope

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, Tensor]:
        """Differentiate by both.

        Args:
            ctx: Has both.
            outer: Gradient of the result, ``(..., width)``, in the loss's unit.
        """
        gradient, x = ctx.saved_tensors
        s = torch.sigmoid(x)
        # The second derivative is s (1 - s) (2 + x (1 - 2 s)).
        curvature = torch.addcmul(x + 2.0, x, s, value=-2.0) * torch.addcmul(s, s, s, value=-1.0)
        return _silu_backward(outer, x), curvature * gradient * outer


ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "silu": _SiLU.apply,
    "relu": functional.relu_,
}
"""What is applied to the fresh result of a dense layer, which ReLU overwrites."""
