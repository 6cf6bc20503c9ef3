"""The chain of dense layers that every edge goes through, a block of edges at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from matsciml_model_egnn._messages import EdgeInput, Plan

BLOCK = 2048
"""Edges per block: 2048 rows of 128 float32 take a MiB. Smaller blocks cost calls, larger ones
leave the cache."""

_threshold_backward = torch.ops.aten.threshold_backward.grad_input

_PIECES = 5
"""Pieces of memory, of a block of the widest layer, that a pass over a block uses."""


@dataclass(frozen=True)
class Tables:
    """Activations of all edges, and for SiLU the sigmoids they were made with."""

    sigmoids: Sequence[Tensor]
    """One per layer of the chain; none for ReLU, whose result tells its derivative."""
    after: Sequence[Tensor]
    """One per layer of the chain."""

    @classmethod
    def empty(cls, chain: Chain, *, keep: bool) -> Tables:
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
    def of(cls, plan: Plan, saved: Sequence[Tensor]) -> Tables:
        """Undo :meth:`joined`.

        Args:
            plan: Says whether there are sigmoids.
            saved: What :meth:`joined` returned, each ``(edges, width)``, dimensionless.
        """
        split = len(saved) // 2 if plan.activation == "silu" else 0
        return cls(saved[:split], saved[split:])

    def joined(self) -> list[Tensor]:
        """Return all tables."""
        return [*self.sigmoids, *self.after]

    def rows(self, tables: Sequence[Tensor], number: int, block: slice) -> Tensor:
        """Return a block of a table, ``(block, width)``.

        Args:
            tables: One ``(rows, width)`` per layer, dimensionless; a table shorter than the graph
                holds one block only.
            number: The layer's index in the chain.
            block: The edges.
        """
        table = tables[number]
        if table.shape[0] < block.stop:
            return table[: block.stop - block.start]
        return table[block]


@dataclass(frozen=True)
class Outer:
    """Gradients of what the chain returns."""

    collected: Tensor
    """Of the sums of messages, ``(nodes, message)``."""
    moved: Tensor
    """Of φ_x, ``(edges,)``."""
    seeds: Sequence[Tensor] | None = None
    """Of the layers before their activation, beside what follows from the other two; one
    ``(edges, width)`` per layer, or None."""


class Chain:
    """The activated layers of φ_e and φ_x, one after the other: messages are taken off midway."""

    def __init__(self, plan: Plan, x: EdgeInput, weights: Sequence[Tensor]) -> None:
        """Bring all weights into the type that the networks compute in.

        Args:
            plan: Graph and layers.
            x: The first dense layer.
            weights: Weight and bias of each further layer, ``(out, in)`` and ``(out,)``, and the
                weight of φ_x's last one, ``(1, in)``, where it is part of the chain; dimensionless.
        """
        hidden = weights[:-1] if plan.moves else weights
        self.plan, self.x = plan, x
        self.edges = x.features.shape[0]
        self.receiver, self.sender = x.receiver.to(plan.dtype), x.sender.to(plan.dtype)
        self.features, self.first = x.features.to(plan.dtype), x.weight.to(plan.dtype)
        self.weights = [weight.to(plan.dtype) for weight in hidden[::2]]
        self.biases = [bias.to(plan.dtype) for bias in hidden[1::2]]
        self.end = weights[-1].to(plan.dtype).squeeze(0) if plan.moves else None
        self.widths = [x.weight.shape[0], *(weight.shape[0] for weight in self.weights)]
        widest = max(self.widths)
        self._scratch = [self.new(BLOCK * widest) for _ in range(_PIECES)]
        self._one = self.features.new_ones(())

    def new(self, *shape: int) -> Tensor:
        """Return an uninitialised tensor in the type that the networks compute in."""
        return self.features.new_empty(shape)

    def blocks(self) -> Iterator[slice]:
        """Return the blocks of edges."""
        for first in range(0, self.edges, BLOCK):
            yield slice(first, min(first + BLOCK, self.edges))

    def scratch(self, number: int, rows: int, width: int) -> Tensor:
        """Return one of a few small pieces of memory, ``(rows, width)``."""
        return self._scratch[number][: rows * width].view(rows, width)

    def forward(self, block: slice, tables: Tables) -> Tensor:
        """Fill a block of all tables, and return its last activation."""
        x = tables.rows(tables.after, 0, block)
        result = self.first_layer(self.receiver, self.sender, self.features[block], block, x)
        self._activate(result, tables, 0, block)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            x = tables.rows(tables.after, number, block)
            result = torch.addmm(bias, result, weight.t(), out=x)
            self._activate(result, tables, number, block)
        return result

    def displace(self, activation: Tensor) -> Tensor:
        """Return φ_x of a block, ``(block,)``, dimensionless; empty where nothing moves.

        Args:
            activation: The last activation of the block, ``(block, width)``, dimensionless.
        """
        if self.end is None:
            return activation.new_empty(0)
        return torch.mv(activation, self.end)

    def first_layer(
        self, receiver: Tensor, sender: Tensor, features: Tensor, block: slice, out: Tensor
    ) -> Tensor:
        """Put the first layer together from the shares of nodes and the features of a block.

        Args:
            receiver: Share of each edge's receiver, ``(nodes, hidden)``, dimensionless.
            sender: Share of each edge's sender, ``(nodes, hidden)``, dimensionless.
            features: What a message sees of the distance, ``(block, features)``, dimensionless.
            block: The edges.
            out: Where the result is written, ``(block, hidden)``, dimensionless.
        """
        torch.index_select(receiver, 0, self.plan.incoming.index[block], out=out)
        share = self.scratch(2, *out.shape)
        out.add_(torch.index_select(sender, 0, self.plan.senders.index[block], out=share))
        return out.addmm_(features, self.first.t())

    def _activate(self, x: Tensor, tables: Tables, number: int, block: slice) -> None:
        if self.plan.activation == "relu":
            x.relu_()
        else:
            x.mul_(torch.sigmoid(x, out=tables.rows(tables.sigmoids, number, block)))

    def backward(self, block: slice, tables: Tables, outer: Outer, into: Gradients) -> None:
        """Add a block's share to all gradients."""
        before: Tensor | None = None
        for number in range(len(self.widths) - 1, -1, -1):
            gradient = self._gradient(number, block, tables, outer, into, before)
            before = self._derivative(number, block, tables, gradient)
            if outer.seeds is not None:
                before += outer.seeds[number][block]
            if number:
                into.add_layer(number - 1, before, tables.rows(tables.after, number - 1, block))
            else:
                into.add_first(block, before)

    def _gradient(
        self,
        number: int,
        block: slice,
        tables: Tables,
        outer: Outer,
        into: Gradients,
        before: Tensor | None,
    ) -> Tensor:
        """Return the gradient of a layer's activation, given that of the layer after it."""
        out = self._spare(number, block) if into.kept is None else into.kept[number][block]
        collects = number == self.plan.message_layers
        if collects:
            self._messages(block, tables, outer.collected, out, into)
        if before is not None:
            weight = self.weights[number]
            return out.addmm_(before, weight) if collects else torch.mm(before, weight, out=out)
        if not collects:
            out.zero_()
        if self.end is not None:
            moved = outer.moved[block]
            into.add_end(moved, tables.rows(tables.after, number, block))
            out.addr_(moved.to(out.dtype), self.end)
        return out

    def _spare(self, number: int, block: slice) -> Tensor:
        """Return memory for the gradient of a layer; neighbouring layers use different pieces."""
        return self.scratch(number % 2, block.stop - block.start, self.widths[number])

    def _messages(
        self, block: slice, tables: Tables, collected: Tensor, out: Tensor, into: Gradients
    ) -> None:
        """Write down the gradient that the sums of messages pass on."""
        incoming = self.plan.incoming
        torch.index_select(collected, 0, incoming.index[block], out=out)
        if incoming.weights is not None:  # an edge that stands for several
            out.mul_(incoming.weights[block].to(out.dtype).unsqueeze(1))
        if self.x.scale is not None:
            into.add_scale(block, out, tables.rows(tables.after, self.plan.message_layers, block))
            out.mul_(self.x.scale[block].to(out.dtype).unsqueeze(1))

    def _derivative(self, number: int, block: slice, tables: Tables, gradient: Tensor) -> Tensor:
        """Multiply a gradient by the derivative of the activation; where it is kept, elsewhere."""
        out = self._spare(number, block)
        if self.plan.activation == "relu":
            result = tables.rows(tables.after, number, block)
            return _threshold_backward(gradient, result, 0, grad_input=out)  # type: ignore[no-any-return]
        slope = self.slope(tables, number, block, self.scratch(2, *gradient.shape))
        return torch.mul(gradient, slope, out=out)

    def slope(self, tables: Tables, number: int, block: slice, out: Tensor) -> Tensor:
        """Return the derivative of a layer's activation, ``(block, width)``.

        Args:
            tables: The activations.
            number: The layer's index in the chain.
            block: The edges.
            out: Where the result is written, ``(block, width)``, dimensionless.
        """
        result = tables.rows(tables.after, number, block)
        if self.plan.activation == "relu":
            return torch.gt(result, 0, out=out)
        # With s the sigmoid and y = x s: dy/dx = s + y (1 - s), which needs no exponential.
        return torch.lerp(result, self._one, tables.rows(tables.sigmoids, number, block), out=out)

    def curvature(self, tables: Tables, number: int, block: slice, out: Tensor) -> Tensor:
        """Return the second derivative of a layer's activation, ``(block, width)``.

        Args:
            tables: The activations.
            number: The layer's index in the chain.
            block: The edges.
            out: Where the result is written, ``(block, width)``, dimensionless.
        """
        if self.plan.activation == "relu":
            return out.zero_()
        # d²y/dx² = (1 - s) (2 s + y (1 - 2 s))
        s = tables.rows(tables.sigmoids, number, block)
        torch.mul(s, -2.0, out=out).add_(1.0).mul_(tables.rows(tables.after, number, block))
        return out.add_(s, alpha=2.0).addcmul_(out, s, value=-1.0)


class Gradients:
    """Sums over blocks, in the type of the features.

    Args:
        chain: What is differentiated.
        weights: Whether the gradients of all weights are wanted.
        features: Whether that of the features is.
        scale: Whether that of the envelope is.
        keep: Whether to keep the gradients of all activations, for a second derivative.
    """

    def __init__(
        self, chain: Chain, *, weights: bool, features: bool, scale: bool, keep: bool = False
    ) -> None:
        """Start from zero."""
        self.chain = chain
        like = chain.x.features
        self.receiver = like.new_zeros(chain.receiver.shape)
        self.sender = like.new_zeros(chain.sender.shape)
        self.features = torch.empty_like(like) if features else None
        self.scale = like.new_empty(like.shape[0]) if scale else None
        self.kept = [chain.new(chain.edges, width) for width in chain.widths] if keep else None
        self.weights: WeightGradients | None = WeightGradients(chain) if weights else None

    def add_end(self, moved: Tensor, activation: Tensor) -> None:
        """Add to the gradient of φ_x's last weight.

        Args:
            moved: Gradient of φ_x, ``(block,)``; its unit is that of the loss, like all gradients
                here.
            activation: The last activation, ``(block, width)``, dimensionless.
        """
        if self.weights is not None and self.weights.end is not None:
            self.weights.end += torch.mv(activation.t(), moved.to(activation.dtype))

    def add_layer(self, number: int, gradient: Tensor, activation: Tensor) -> None:
        """Add to the gradients of a layer's weight and bias.

        Args:
            number: Index of the layer among those after the first.
            gradient: Gradient before the activation, ``(block, out)``, in the loss's unit.
            activation: What the layer was given, ``(block, in)``, dimensionless.
        """
        if self.weights is not None:
            add_product(self.weights.layers[number], gradient, activation)
            self.weights.biases[number] += gradient.sum(0, dtype=self.receiver.dtype)

    def add_scale(self, block: slice, gradient: Tensor, messages: Tensor) -> None:
        """Set the gradient of the envelope.

        Args:
            block: The edges.
            gradient: Gradient of the summed messages at each edge's receiver, ``(block, message)``,
                in the loss's unit.
            messages: φ_e, ``(block, message)``, dimensionless.
        """
        if self.scale is not None:
            self.scale[block] = torch.linalg.vecdot(gradient, messages)

    def add_first(self, block: slice, gradient: Tensor) -> None:
        """Add to the gradients of the first layer's parts.

        Args:
            block: The edges.
            gradient: Gradient before the activation, ``(block, hidden)``, in the loss's unit.
        """
        plan, chain = self.chain.plan, self.chain
        if self.weights is not None:
            add_product(self.weights.first, gradient, chain.features[block])
        if self.features is not None:
            self.features[block] = torch.mm(gradient, chain.first)
        gradient = gradient.to(self.receiver.dtype)
        self.receiver.index_add_(0, plan.incoming.index[block], gradient)
        self.sender.index_add_(0, plan.senders.index[block], gradient)


class WeightGradients:
    """Gradients of the weights of all layers, sums over blocks in the type of the features."""

    def __init__(self, chain: Chain) -> None:
        """Start from zero."""
        like = chain.x.features
        self.first = like.new_zeros(chain.first.shape)
        self.layers = [like.new_zeros(weight.shape) for weight in chain.weights]
        self.biases = [like.new_zeros(bias.shape) for bias in chain.biases]
        self.end = None if chain.end is None else like.new_zeros(chain.end.shape)

    def in_order(self) -> list[Tensor]:
        """Return the gradients but the first layer's in the order of the function's tensors."""
        layers = [g for pair in zip(self.layers, self.biases, strict=True) for g in pair]
        return layers if self.end is None else [*layers, self.end]


def add_product(into: Tensor, gradient: Tensor, x: Tensor) -> None:
    """Add gradientᵀ x, summed between blocks in the type of ``into``.

    Args:
        into: The sum, ``(out, in)``, in the loss's unit.
        gradient: ``(block, out)``, in the loss's unit.
        x: ``(block, in)``, dimensionless.
    """
    if into.dtype == gradient.dtype:
        into.addmm_(gradient.t(), x)
    else:
        into += torch.mm(gradient.t(), x)
