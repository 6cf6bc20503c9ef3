"""The sum over edges, in pieces that stay in the processor's cache.

For 13,762 edges, 32 features and l ≤ 2 one message tensor has 62 MB, and a training step would
write, keep and read several of them per layer: the time goes to memory, not to arithmetic. Here a
few hundred edges at a time are carried through to the sum, and through to the gradients in the
backward pass, where their messages are computed again. Nothing of that size is ever kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from matsciml_core.nn.segments import Segments
from matsciml_core.nn.tracing import is_traced

_CACHED = 1 << 18
"""Numbers in one piece of a message on a CPU, so that a few such tensors stay in its cache."""
_LAUNCHED = 1 << 28
"""The same on other devices, where many small operations cost more than memory does."""


@dataclass(frozen=True)
class Messages:
    """What does not carry a gradient: who sends to whom, and how a message is made up."""

    sender: Tensor
    """Sender atom of each edge, ``(edges,)``."""
    incoming: Segments
    """The edges that enter each atom."""
    path_of_row: Tensor
    """The path that each row of a message came along, ``(rows,)``, ascending."""
    rows: tuple[int, ...]
    """Rows for each kind of feature that a message starts from."""
    num_paths: int
    """Number of paths."""
    num_features: int
    """Multiplicity of every kind of feature."""

    def pieces(self) -> Iterator[slice]:
        """Cut the edges into pieces; while a graph of operations is made, into a single one."""
        if is_traced(self.sender):
            return iter((slice(None),))
        limit = _CACHED if self.sender.device.type == "cpu" else _LAUNCHED
        step = max(32, limit // (sum(self.rows) * self.num_features))
        edges = self.sender.shape[0]
        return (slice(first, min(first + step, edges)) for first in range(0, edges, step))


def coupled_sum(
    features: Sequence[Tensor],
    kernels: Sequence[Tensor],
    hidden: Tensor,
    weight: Tensor,
    messages: Messages,
) -> Tensor:
    """Sum (K x) · (h W) over the edges that enter each atom.

    W, the last layer of the radial network, is applied here because its result is as long as the
    messages are. Can be differentiated any number of times; for a second derivative whole
    messages are kept in memory.

    Args:
        features: x of each kind, ``(atoms, 2l+1, features)``, dimensionless.
        kernels: K of each kind, ``(edges, rows of the kind, 2l+1)``, dimensionless.
        hidden: h, ``(edges, hidden)``, dimensionless.
        weight: W, ``(hidden, paths * features)``, dimensionless.
        messages: Who sends to whom.

    Returns:
        ``(atoms, rows, features)``.
    """
    tensors = (hidden, weight, *features, *kernels)
    total: Tensor = _CoupledSum.apply(messages, *tensors)  # type: ignore[no-untyped-call]
    return total


class _CoupledSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, messages: Messages, hidden: Tensor, weight: Tensor, *rest: Tensor
    ) -> Tensor:
        """Sum piece by piece, so that no message of all edges is ever written out.

        Args:
            ctx: Keeps everything that is given.
            messages: Who sends to whom.
            hidden: h, ``(edges, hidden)``, dimensionless.
            weight: W, ``(hidden, paths * features)``, dimensionless.
            *rest: x of each kind, then K of each kind.
        """
        ctx.messages = messages
        ctx.save_for_backward(hidden, weight, *rest)
        features, kernels = _halves(rest)
        atoms = messages.incoming.lengths.shape[0]
        total = hidden.new_zeros(atoms, sum(messages.rows) * messages.num_features)
        for piece in messages.pieces():
            carried = _carry(features, kernels, messages.sender, piece)
            message = carried.mul_(_weights(hidden[piece], weight, messages))
            total.index_add_(0, messages.incoming.index[piece], message.flatten(1))
        return total.view(atoms, -1, messages.num_features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Go over the same pieces.

        Args:
            ctx: Has messages and tensors.
            gradient: ``(atoms, rows, features)``, in the loss's unit.
        """
        needed = ctx.needs_input_grad[1:]
        # Grad mode is on in here where the gradient itself is going to be differentiated.
        function = _traced_gradients if torch.is_grad_enabled() else _gradients
        return None, *function(ctx.messages, ctx.saved_tensors, gradient, needed)


def _gradients(
    messages: Messages, tensors: Sequence[Tensor], gradient: Tensor, needed: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradient of each tensor, piece by piece."""
    hidden, weight, *rest = tensors
    features, kernels = _halves(rest)
    totals = [
        torch.zeros_like(x) if need else None for x, need in zip(tensors, needed, strict=True)
    ]
    of_hidden, of_weight, *of_rest = totals
    of_features, of_kernels = _halves(of_rest)
    gradient = gradient.flatten(1)
    for piece in messages.pieces():
        sender, receiver = messages.sender[piece], messages.incoming.index[piece]
        carried = _carry(features, kernels, messages.sender, piece)
        arriving = gradient.index_select(0, receiver).view(carried.shape)
        for_paths = _sum_rows(carried.mul_(arriving), messages)  # (edges, paths * features)
        if of_hidden is not None:
            of_hidden[piece] = for_paths @ weight.T
        if of_weight is not None:
            of_weight.addmm_(hidden[piece].T, for_paths)
        arriving.mul_(_weights(hidden[piece], weight, messages))
        parts = torch.split(arriving, list(messages.rows), dim=1)
        for x, k, of_x, of_k, part in zip(
            features, kernels, of_features, of_kernels, parts, strict=True
        ):
            if of_x is not None:
                back = k[piece].transpose(1, 2) @ part
                of_x.flatten(1).index_add_(0, sender, back.flatten(1))
            if of_k is not None:
                of_k[piece] = part @ x.index_select(0, sender).transpose(1, 2)
    return totals


def _traced_gradients(
    messages: Messages, tensors: Sequence[Tensor], gradient: Tensor, needed: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradient of each tensor, such that it can be differentiated again."""
    everything = slice(None)
    hidden, weight, *rest = tensors
    message = _carry(*_halves(rest), messages.sender, everything)
    message = message * _weights(hidden, weight, messages)
    wanted = [x for x, need in zip(tensors, needed, strict=True) if need]
    arriving = gradient.index_select(0, messages.incoming.index)
    found = iter(torch.autograd.grad(message, wanted, arriving, create_graph=True))
    return [next(found) if need else None for need in needed]


def _carry(
    features: Sequence[Tensor], kernels: Sequence[Tensor], sender: Tensor, piece: slice
) -> Tensor:
    """Return K x, the features as they arrive, before they are weighted.

    Returns:
        ``(edges of the piece, rows, features)``.
    """
    atoms = sender[piece]
    parts = []
    for x, kernel in zip(features, kernels, strict=True):
        sent = x.index_select(0, atoms)
        # For scalars the matrix product is a plain one, which takes half the time.
        parts.append(kernel[piece] * sent if sent.shape[1] == 1 else kernel[piece] @ sent)
    return torch.cat(parts, dim=1)


def _weights(hidden: Tensor, weight: Tensor, messages: Messages) -> Tensor:
    """Return h W for each row of a message, ``(edges, rows, features)``."""
    weights = (hidden @ weight).view(-1, messages.num_paths, messages.num_features)
    return weights.index_select(1, messages.path_of_row)


def _sum_rows(rows: Tensor, messages: Messages) -> Tensor:
    """Sum the rows of each path, ``(edges, paths * features)``."""
    total = rows.new_zeros(rows.shape[0], messages.num_paths, messages.num_features)
    return total.index_add_(1, messages.path_of_row, rows).flatten(1)


def _halves(tensors: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    middle = len(tensors) // 2
    return tensors[:middle], tensors[middle:]
