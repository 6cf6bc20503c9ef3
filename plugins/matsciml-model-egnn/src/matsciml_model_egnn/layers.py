"""Dense layers, and the sum over the edges that leave an atom."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["silu", "relu"]

_silu_backward = torch.ops.aten.silu_backward.default


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Apply the activation to the fresh result of a dense layer, which ReLU overwrites."""
    if activation == "relu":
        return functional.relu_(x)
    return _SiLU.apply(x)  # type: ignore[no-any-return,no-untyped-call]


class DenseStack(nn.Module):
    """Dense layers with an activation between them, and after the last one if asked for."""

    def __init__(
        self,
        input_width: int,
        widths: Sequence[int],
        activation: Activation,
        *,
        activate_last: bool = False,
        last_bias: bool = True,
    ) -> None:
        """Build the layers.

        Args:
            input_width: Width of the input.
            widths: Width of each layer's output.
            activation: ``silu`` or ``relu``.
            activate_last: Whether the last layer is activated too.
            last_bias: Whether the last layer has a bias.
        """
        super().__init__()
        pairs = list(pairwise((input_width, *widths)))
        self.layers = nn.ModuleList(
            nn.Linear(first, second, bias=last_bias or number < len(pairs) - 1)
            for number, (first, second) in enumerate(pairs)
        )
        self.activation: Activation = activation
        self.activate_last = activate_last

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., input_width)`` to ``(..., last width)``."""
        return self.after_first(self.layers[0](x))

    def after_first(self, x: Tensor) -> Tensor:
        """Apply everything that follows the first dense layer, whose result may be overwritten."""
        for layer in self.layers[1:]:
            x = layer(activate(x, self.activation))
        return activate(x, self.activation) if self.activate_last else x

    def split(self, widths: Sequence[int]) -> tuple[Tensor, ...]:
        """Return the first layer's weight in pieces, one per part of a joined input.

        W [a, b] = W_a a + W_b b, so parts that many rows share are multiplied once, not per row.

        Args:
            widths: Widths of the parts, in the order in which they are joined.
        """
        return torch.split(self._first.weight, list(widths), dim=1)

    @property
    def first_bias(self) -> Tensor:
        """The first layer's bias."""
        return self._first.bias

    @property
    def _first(self) -> nn.Linear:
        return cast(nn.Linear, self.layers[0])


class Sources:
    """The node each edge starts from, and the edges sorted by it.

    Edges are sorted by target. The gradient of a gather from the sources is a sum over edges that
    lie anywhere; sorted once per batch, it is a sum over runs, like all others.
    """

    def __init__(self, index: Tensor, nodes: int) -> None:
        """Sort the edges where sums need it.

        Args:
            index: Source node of each edge, ``(edges,)`` int64.
            nodes: Number of nodes.
        """
        self.index = index
        self.nodes = nodes
        self._sorted: tuple[Tensor, Tensor] | None = None

    def sum(self, rows: Tensor) -> Tensor:
        """Sum ``(edges, width)`` over the edges that leave each node, ``(nodes, width)``."""
        if rows.dtype != torch.float32 or rows.device.type != "cpu" or not rows.numel():
            return rows.new_zeros(self.nodes, rows.shape[1]).index_add_(0, self.index, rows)
        order, offsets = self._order()
        return functional.embedding_bag(order, rows, offsets, mode="sum", include_last_offset=True)

    def _order(self) -> tuple[Tensor, Tensor]:
        if self._sorted is None:
            counts = torch.zeros(self.nodes + 1, dtype=torch.int64)
            counts.index_add_(0, self.index + 1, torch.ones_like(self.index))
            self._sorted = torch.argsort(self.index), counts.cumsum(0)
        return self._sorted


def gather_sources(values: Tensor, sources: Sources) -> Tensor:
    """Give each edge its source's row, ``(nodes, width)`` → ``(edges, width)``."""
    return _Gather.apply(values, sources)  # type: ignore[no-any-return,no-untyped-call]


class _Gather(torch.autograd.Function):
    """Nodes → edges; its derivative is the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, sources: Sources) -> Tensor:
        ctx.sources = sources
        return values.index_select(0, sources.index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(gradient, ctx.sources), None  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    """Edges → nodes; its derivative is the gather."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sources: Sources) -> Tensor:
        ctx.sources = sources
        return sources.sum(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Gather.apply(gradient, ctx.sources), None  # type: ignore[no-untyped-call]


class _SiLU(torch.autograd.Function):
    """SiLU whose second derivative, which training on forces needs, takes few passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return functional.silu(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Slope.apply(gradient, *ctx.saved_tensors)  # type: ignore[no-any-return,no-untyped-call]


class _Slope(torch.autograd.Function):
    """The gradient times the slope of SiLU."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(gradient, x)
        slope: Tensor = _silu_backward(gradient, x)
        return slope

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, Tensor]:
        gradient, x = ctx.saved_tensors
        s = torch.sigmoid(x)
        # The second derivative is s (1 - s) (2 + x (1 - 2 s)).
        curvature = torch.addcmul(x + 2.0, x, s, value=-2.0) * torch.addcmul(s, s, s, value=-1.0)
        return _silu_backward(outer, x), curvature * gradient * outer
