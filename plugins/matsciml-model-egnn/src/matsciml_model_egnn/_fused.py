"""The networks of a layer's edges as one function, a block of edges at a time.

Dense layers this narrow wait for memory as long as they compute: in plain operations every
activation, derivative and gradient is a table of all edges that is written out and read back.
Here a block of edges that fits the processor's cache goes through all layers before the next one
starts. Only activations are kept for the backward pass, and no gradient of an edge's features is
written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from matsciml_model_egnn._messages import EdgeInput, Plan, plain_messages, sum_messages

BLOCK = 2048
"""Edges per block: 2048 rows of 128 float32 take a MiB. Smaller blocks cost calls, larger ones
leave the cache."""

_threshold_backward = torch.ops.aten.threshold_backward.grad_input


def fused_messages(
    plan: Plan, x: EdgeInput, weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor | None]:
    """Do what :func:`plain_messages` does.

    It can be differentiated twice, but the second derivative goes the plain way, after computing
    everything once more; where it is wanted the plain function is faster from the start.

    Args:
        plan: Graph and layers.
        x: The first dense layer.
        weights: Weight and bias of the further layers of φ_e and of those of φ_x.

    Returns:
        ``(nodes, message)`` and ``(edges,)``; None where nothing moves.
    """
    collected, moved = _Messages.apply(  # type: ignore[no-untyped-call]
        plan, x.target, x.source, x.features, x.weight, x.scale, *weights
    )
    return collected, moved if plan.moves else None


class _Messages(torch.autograd.Function):
    """Forward and backward over all blocks."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *tensors: Any) -> tuple[Tensor, Tensor]:
        x, weights = EdgeInput(*tensors[:5]), tensors[5:]
        chain, keep = _Chain(plan, x, weights), any(ctx.needs_input_grad)
        tables = _Tables.empty(chain, keep=keep)
        moved = x.features.new_empty(chain.edges if plan.moves else 0)
        for block in chain.blocks():
            last = chain.forward(block, tables)
            if plan.moves:
                moved[block] = chain.displace(last)
        if keep:
            ctx.plan = plan
            ctx.save_for_backward(*tensors, *tables.joined())
        return sum_messages(plan, tables.after[plan.message_layers], x), moved

    @staticmethod
    def backward(ctx: Any, collected: Tensor, moved: Tensor) -> tuple[Any, ...]:
        plan: Plan = ctx.plan
        count = len(ctx.needs_input_grad) - 1
        tensors = ctx.saved_tensors[:count]
        if torch.is_grad_enabled():
            return None, *_again(plan, tensors, collected, moved)
        tables = _Tables.of(plan, ctx.saved_tensors[count:])
        chain = _Chain(plan, EdgeInput(*tensors[:5]), tensors[5:])
        gradients = _Gradients(chain, *(ctx.needs_input_grad[k] for k in (3, 5)))
        collected = collected.to(plan.dtype)
        for block in chain.blocks():
            chain.backward(block, tables, collected, moved, gradients)
        found = zip(gradients.in_order(), tensors, strict=True)
        return None, *(_like(gradient, tensor) for gradient, tensor in found)


def _like(gradient: Tensor | None, tensor: Tensor | None) -> Tensor | None:
    """Return a gradient in type and shape of what it belongs to."""
    if gradient is None or tensor is None:
        return None
    return gradient.to(tensor.dtype).view_as(tensor)


def _again(
    plan: Plan, tensors: Sequence[Tensor | None], collected: Tensor, moved: Tensor
) -> list[Tensor | None]:
    """Return the gradients with a graph of their own, by computing everything the plain way."""
    x = EdgeInput(*tensors[:5])  # type: ignore[arg-type]
    outputs = plain_messages(plan, x, tensors[5:])  # type: ignore[arg-type]
    wanted = [t for t in tensors if t is not None and t.requires_grad]
    pairs = [(y, g) for y, g in zip(outputs, (collected, moved), strict=True) if y is not None]
    found = iter(
        torch.autograd.grad(
            [y for y, _ in pairs],
            wanted,
            [g.to(y.dtype) for y, g in pairs],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if t is not None and t.requires_grad else None for t in tensors]


@dataclass(frozen=True)
class _Tables:
    """Activations of all edges, and for SiLU the sigmoids they were made with."""

    sigmoids: Sequence[Tensor]
    """One per layer of the chain; none for ReLU, whose result tells its derivative."""
    after: Sequence[Tensor]
    """One per layer of the chain."""

    @classmethod
    def empty(cls, chain: _Chain, *, keep: bool) -> _Tables:
        """Make room; where nothing is kept, for one block, but for all messages."""
        messages = chain.plan.message_layers
        rows = [
            chain.edges if keep or number == messages else BLOCK
            for number in range(len(chain.widths))
        ]
        shapes = list(zip(rows, chain.widths, strict=True))
        after = [chain.new(*shape) for shape in shapes]
        silu = chain.plan.activation == "silu"
        return cls([chain.new(*shape) for shape in shapes] if silu else [], after)

    @classmethod
    def of(cls, plan: Plan, saved: Sequence[Tensor]) -> _Tables:
        """Undo :meth:`joined`."""
        split = len(saved) // 2 if plan.activation == "silu" else 0
        return cls(saved[:split], saved[split:])

    def joined(self) -> list[Tensor]:
        """Return all tables."""
        return [*self.sigmoids, *self.after]

    def rows(self, tables: Sequence[Tensor], number: int, block: slice) -> Tensor:
        """Return a block of a table; a table shorter than the graph holds one block only."""
        table = tables[number]
        if table.shape[0] < block.stop:
            return table[: block.stop - block.start]
        return table[block]


class _Chain:
    """The activated layers of φ_e and φ_x, one after the other: messages are taken off midway."""

    def __init__(self, plan: Plan, x: EdgeInput, weights: Sequence[Tensor]) -> None:
        """Bring all weights into the type that the networks compute in."""
        hidden = weights[:-1] if plan.moves else weights
        self.plan, self.x = plan, x
        self.edges = x.features.shape[0]
        self.target, self.source = x.target.to(plan.dtype), x.source.to(plan.dtype)
        self.features, self.first = x.features.to(plan.dtype), x.weight.to(plan.dtype)
        self.weights = [weight.to(plan.dtype) for weight in hidden[::2]]
        self.biases = [bias.to(plan.dtype) for bias in hidden[1::2]]
        self.end = weights[-1].to(plan.dtype).squeeze(0) if plan.moves else None
        self.widths = [x.weight.shape[0], *(weight.shape[0] for weight in self.weights)]
        widest = max(self.widths)
        self._scratch = [self.new(BLOCK * widest) for _ in range(3)]
        self._one = self.features.new_ones(())

    def new(self, *shape: int) -> Tensor:
        """Return an uninitialised tensor in the type that the networks compute in."""
        return self.features.new_empty(shape)

    def blocks(self) -> Iterator[slice]:
        """Return the blocks of edges."""
        for first in range(0, self.edges, BLOCK):
            yield slice(first, min(first + BLOCK, self.edges))

    def scratch(self, number: int, rows: int, width: int) -> Tensor:
        """Return one of three small pieces of memory, ``(rows, width)``."""
        return self._scratch[number][: rows * width].view(rows, width)

    def forward(self, block: slice, tables: _Tables) -> Tensor:
        """Fill a block of all tables, and return its last activation."""
        result = self._start(block, tables.rows(tables.after, 0, block))
        self._activate(result, tables, 0, block)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            x = tables.rows(tables.after, number, block)
            result = torch.addmm(bias, result, weight.t(), out=x)
            self._activate(result, tables, number, block)
        return result

    def displace(self, activation: Tensor) -> Tensor:
        """Return φ_x of a block, given its last activation, ``(block,)``."""
        if self.end is None:
            return activation.new_empty(0)
        return torch.mv(activation, self.end)

    def _start(self, block: slice, out: Tensor) -> Tensor:
        incoming, sources = self.plan.incoming.index[block], self.plan.sources.index[block]
        torch.index_select(self.target, 0, incoming, out=out)
        share = self.scratch(0, *out.shape)
        out.add_(torch.index_select(self.source, 0, sources, out=share))
        return out.addmm_(self.features[block], self.first.t())

    def _activate(self, x: Tensor, tables: _Tables, number: int, block: slice) -> None:
        if self.plan.activation == "relu":
            x.relu_()
        else:
            x.mul_(torch.sigmoid(x, out=tables.rows(tables.sigmoids, number, block)))

    def backward(
        self, block: slice, tables: _Tables, collected: Tensor, moved: Tensor, into: _Gradients
    ) -> None:
        """Add a block's share to all gradients."""
        messages, last = self.plan.message_layers, len(self.widths) - 1
        gradient = self._spare(last, block)
        if last == messages:
            self._messages(block, tables, collected, gradient, into)
        else:
            gradient.zero_()
        if self.end is not None:
            into.add_end(moved[block], tables.rows(tables.after, last, block))
            gradient.addr_(moved[block].to(gradient.dtype), self.end)
        for number in range(last, -1, -1):
            self._derivative(tables, number, block, gradient)
            if number == 0:
                break
            into.add_layer(number - 1, gradient, tables.rows(tables.after, number - 1, block))
            spare, weight = self._spare(number - 1, block), self.weights[number - 1]
            if number - 1 == messages:
                self._messages(block, tables, collected, spare, into).addmm_(gradient, weight)
            else:
                torch.mm(gradient, weight, out=spare)
            gradient = spare
        into.add_first(block, gradient)

    def _spare(self, number: int, block: slice) -> Tensor:
        """Return memory for the gradient of a layer; neighbouring layers use different pieces."""
        return self.scratch(number % 2, block.stop - block.start, self.widths[number])

    def _messages(
        self, block: slice, tables: _Tables, collected: Tensor, out: Tensor, into: _Gradients
    ) -> Tensor:
        """Return the gradient that the sums of messages pass on."""
        incoming = self.plan.incoming
        torch.index_select(collected, 0, incoming.index[block], out=out)
        if incoming.weights is not None:  # an edge that stands for several
            out.mul_(incoming.weights[block].to(out.dtype).unsqueeze(1))
        if self.x.scale is not None:
            into.add_scale(block, out, tables.rows(tables.after, self.plan.message_layers, block))
            out.mul_(self.x.scale[block].to(out.dtype).unsqueeze(1))
        return out

    def _derivative(self, tables: _Tables, number: int, block: slice, gradient: Tensor) -> None:
        """Multiply a gradient by the derivative of the activation."""
        result = tables.rows(tables.after, number, block)
        if self.plan.activation == "relu":
            _threshold_backward(gradient, result, 0, grad_input=gradient)
            return
        # With s the sigmoid and y = x s: dy/dx = s + y (1 - s), which needs no exponential.
        sigmoid = tables.rows(tables.sigmoids, number, block)
        slope = self.scratch(2, *gradient.shape)
        gradient.mul_(torch.lerp(result, self._one, sigmoid, out=slope))


class _Gradients:
    """Sums over blocks, in the type of the features."""

    def __init__(self, chain: _Chain, features: bool, scale: bool) -> None:
        """Start from zero; the gradients of features and envelope only where they are wanted."""
        self.chain = chain
        like = chain.x.features
        self.target = like.new_zeros(chain.target.shape)
        self.source = like.new_zeros(chain.source.shape)
        self.first = like.new_zeros(chain.first.shape)
        self.features = torch.empty_like(like) if features else None
        self.scale = like.new_empty(like.shape[0]) if scale else None
        self.weights = [like.new_zeros(weight.shape) for weight in chain.weights]
        self.biases = [like.new_zeros(bias.shape) for bias in chain.biases]
        self.end = None if chain.end is None else like.new_zeros(chain.end.shape)

    def add_end(self, moved: Tensor, activation: Tensor) -> None:
        """Add to the gradient of φ_x's last weight."""
        if self.end is not None:
            self.end += torch.mv(activation.t(), moved.to(activation.dtype))

    def add_layer(self, number: int, gradient: Tensor, activation: Tensor) -> None:
        """Add to the gradients of a layer's weight and bias."""
        _add_product(self.weights[number], gradient, activation)
        self.biases[number] += gradient.sum(0, dtype=self.first.dtype)

    def add_scale(self, block: slice, gradient: Tensor, messages: Tensor) -> None:
        """Set the gradient of the envelope."""
        if self.scale is not None:
            self.scale[block] = torch.linalg.vecdot(gradient, messages)

    def add_first(self, block: slice, gradient: Tensor) -> None:
        """Add to the gradients of the first layer's parts."""
        plan, chain = self.chain.plan, self.chain
        _add_product(self.first, gradient, chain.features[block])
        if self.features is not None:
            self.features[block] = torch.mm(gradient, chain.first)
        gradient = gradient.to(self.target.dtype)
        self.target.index_add_(0, plan.incoming.index[block], gradient)
        self.source.index_add_(0, plan.sources.index[block], gradient)

    def in_order(self) -> list[Tensor | None]:
        """Return the gradients in the order of the function's tensors."""
        layers = [g for pair in zip(self.weights, self.biases, strict=True) for g in pair]
        end = [] if self.end is None else [self.end]
        first = [self.target, self.source, self.features, self.first, self.scale]
        return [*first, *layers, *end]


def _add_product(into: Tensor, gradient: Tensor, x: Tensor) -> None:
    """Add gradientᵀ x, summed between blocks in the type of ``into``."""
    if into.dtype == gradient.dtype:
        into.addmm_(gradient.t(), x)
    else:
        into += torch.mm(gradient.t(), x)
