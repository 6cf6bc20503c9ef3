"""Reductions over contiguous segments, for encoders: the edges of an atom, the atoms of a crystal.

A batch keeps its edges sorted by receiver atom and its atoms sorted by crystal, so everything an
encoder sums is a contiguous run of rows. All functions here can be differentiated any number of
times (forces need twice) and never wait for a device.

How the sum is computed was chosen by measurement: 13,774 edges into 426 atoms, float32, one CPU
thread, forward, µs at widths 32 and 64: ``index_add_`` 200 and 350, ``scatter_add_`` 190 and 340,
``segment_reduce`` 400 and 1,140, differences of ``cumsum`` 1,300 and 8,800 (and it cancels), a
sparse CSR product 50 and 140, ``embedding_bag`` 60 and 80. 4,936 edges, width 128 and two threads
give the same order. The backward pass of a sum is ``index_select`` (90 µs; ``values[index]`` takes
650). In float64 ``embedding_bag`` has no compiled kernel (540 µs) and ``index_add_`` is used.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Segments",
    "segment_gather",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
]


class Segments:
    """Which rows belong together: sorted segment numbers, and how many rows each segment has.

    A row may stand for several equal ones: with ``weights`` all sums, means and softmaxes are
    those of the rows written out that often.

    >>> segments = Segments(torch.tensor([0, 0, 2]), torch.tensor([2, 0, 1]))
    >>> segment_sum(torch.tensor([[1.0], [2.0], [5.0]]), segments).tolist()
    [[3.0], [0.0], [5.0]]
    >>> thrice = Segments(torch.tensor([0, 0]), torch.tensor([2]), torch.tensor([3.0, 1.0]))
    >>> segment_mean(torch.tensor([[1.0], [5.0]]), thrice).tolist()
    [[2.0]]
    """

    def __init__(self, index: Tensor, lengths: Tensor, weights: Tensor | None = None) -> None:
        """Describe the segments; nothing is checked, so that no device has to be waited for.

        Args:
            index: The segment of each row, ``(rows,)`` int64, ascending.
            lengths: Rows per segment, ``(segments,)`` int64, zeros allowed; sums to ``rows``.
            weights: How many equal rows each row stands for, ``(rows,)``, at least 1; None: one.
        """
        self.index = index
        self.lengths = lengths
        self.weights = weights
        self.offsets = functional.pad(lengths.cumsum(0), (1, 0))  # (segments + 1,)
        self.rows = torch.arange(index.shape[0], device=index.device)
        self._counts: dict[torch.dtype, Tensor] = {}

    def counts(self, dtype: torch.dtype) -> Tensor:
        """Return the rows per segment, weights counted, as numbers to divide by.

        Args:
            dtype: Floating-point type of the result.

        Returns:
            ``(segments,)``; 1 for an empty segment.
        """
        if dtype not in self._counts:
            counts = self.lengths.to(dtype)
            if self.weights is not None:
                counts = torch.zeros_like(counts).index_add_(0, self.index, self.weights.to(dtype))
            self._counts[dtype] = counts.clamp(min=1)
        return self._counts[dtype]

    def joined(self, outer: Segments) -> Segments:
        """Return the same rows grouped by segments of segments.

        Edges grouped by atom, joined by atoms grouped by crystal, are edges grouped by crystal.

        Args:
            outer: Segments whose rows are the segments of this one.
        """
        lengths = torch.zeros_like(outer.lengths).index_add_(0, outer.index, self.lengths)
        weights = self.weights
        if outer.weights is not None:
            inherited = outer.weights.index_select(0, self.index)
            weights = inherited if weights is None else weights * inherited
        return Segments(outer.index.index_select(0, self.index), lengths, weights)


def segment_gather(values: Tensor, segments: Segments) -> Tensor:
    """Give each row the value of its segment.

    Args:
        values: ``(segments, ...)``, in any unit.
        segments: The rows of each segment.

    Returns:
        ``(rows, ...)``, in the unit of ``values``.
    """
    return _Gather.apply(values, segments)  # type: ignore[no-any-return,no-untyped-call]


def segment_sum(values: Tensor, segments: Segments) -> Tensor:
    """Sum the rows of each segment; an empty segment gives zero.

    Args:
        values: ``(rows, ...)``, in any unit.
        segments: The rows of each segment.

    Returns:
        ``(segments, ...)``, in the unit of ``values``.
    """
    return _Sum.apply(values, segments, True)  # type: ignore[no-any-return,no-untyped-call]


def segment_mean(values: Tensor, segments: Segments) -> Tensor:
    """Average the rows of each segment; an empty segment gives zero.

    Args:
        values: ``(rows, ...)``, floating point, in any unit.
        segments: The rows of each segment.

    Returns:
        ``(segments, ...)``, in the unit of ``values``.
    """
    counts = segments.counts(values.dtype)
    return segment_sum(values, segments) / _column(counts, values)


def segment_softmax(scores: Tensor, segments: Segments) -> Tensor:
    """Normalise scores within each segment, so that exp(score) sums to one there.

    The largest score of a segment is subtracted first, so that no score overflows. A row that
    stands for several gets the share of one of them: :func:`segment_sum` counts it as often.

    Args:
        scores: ``(rows,)``, dimensionless.
        segments: The rows of each segment.

    Returns:
        Weights, ``(rows,)``, dimensionless.
    """
    largest = scores.new_full(segments.lengths.shape, -torch.inf)
    largest = largest.scatter_reduce(0, segments.index, scores.detach(), "amax")
    weights = torch.exp(scores - largest.index_select(0, segments.index))
    return weights / segment_gather(segment_sum(weights, segments), segments)


# Both keep what they need in ``forward`` and not in ``setup_context``: torch 2.13 inspects the
# signature of ``forward`` at each call of a function that has one, which takes 0.1 ms, more than
# the sum over a small batch.
class _Gather(torch.autograd.Function):
    """Segments → rows; its derivative is the sum, each row once."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments) -> Tensor:
        """Gather.

        Args:
            ctx: Keeps the segments.
            values: ``(segments, ...)``, in any unit.
            segments: The rows of each segment.
        """
        ctx.segments = segments
        return values.index_select(0, segments.index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Sum, each row once.

        Args:
            ctx: Has the segments.
            gradient: ``(rows, ...)``, in the loss's unit.
        """
        return _Sum.apply(gradient, ctx.segments, False), None  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    """Rows → segments; its derivative is the gather, times the weights."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, segments: Segments, weighted: bool) -> Tensor:
        """Sum.

        Args:
            ctx: Keeps segments and weights.
            values: ``(rows, ...)``, in any unit.
            segments: The rows of each segment.
            weighted: Whether a row counts as often as it stands for others.
        """
        width = math.prod(values.shape[1:])
        rows = values.reshape(values.shape[0], width)
        ctx.segments, ctx.weights = segments, segments.weights if weighted else None
        total = _sum_rows(rows, segments, ctx.weights)  # (segments, width)
        return total.view(segments.lengths.shape[0], *values.shape[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Gather, and count as often as the sum did.

        Args:
            ctx: Has segments and weights.
            gradient: ``(segments, ...)``, in the loss's unit.
        """
        rows = segment_gather(gradient, ctx.segments)
        if ctx.weights is not None:
            rows = rows * _column(ctx.weights, rows)
        return rows, None, None


def _sum_rows(values: Tensor, segments: Segments, weights: Tensor | None) -> Tensor:
    # On a CPU index_add_ goes row by row; embedding_bag sums runs of rows side by side.
    if values.dtype == torch.float32 and values.device.type == "cpu" and values.numel():
        return functional.embedding_bag(
            segments.rows,
            values,
            segments.offsets,
            mode="sum",
            include_last_offset=True,
            per_sample_weights=None if weights is None else weights.to(values.dtype),
        )
    if weights is not None:
        values = values * _column(weights, values)
    total = values.new_zeros(segments.lengths.shape[0], values.shape[1])
    return total.index_add_(0, segments.index, values)


def _column(weights: Tensor, values: Tensor) -> Tensor:
    """Return the weights in the type of values, shaped to multiply their rows."""
    return weights.to(values.dtype).view(-1, *[1] * (values.dim() - 1))
