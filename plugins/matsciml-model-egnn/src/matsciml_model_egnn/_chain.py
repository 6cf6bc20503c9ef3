"""The chain of dense layers that every edge goes through, a block of edges at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from matsciml_model_egnn._messages import EdgeInput, Plan

BLOCK = 2048
"""Most edges per block: 2048 rows of 128 float32 take a MiB. Smaller blocks cost calls, larger ones
leave the cache."""

_threshold_backward = torch.ops.aten.threshold_backward.grad_input

_PIECES = 5
"""Pieces of memory, of a block of the widest layer, that a pass over a block uses."""


@dataclass(frozen=True)
class Tables:
    """Activations of all edges, and for SiLU the derivatives that will be asked for.

    They are written while the activation is in the cache. Made from a table of sigmoids when they
    are needed, the slope would be computed three times in training on forces, and the curvature
    would take five passes over memory where it takes none now.
    """

    after: Sequence[Tensor]
    """Activations, one table per layer of the chain."""
    slopes: Sequence[Tensor] = ()
    """dy/dx, one per layer; none for ReLU, whose result tells it, and where nothing is kept."""
    curvatures: Sequence[Tensor] = ()
    """d²y/dx², one per layer; none for ReLU, and where nothing is differentiated twice."""

    @classmethod
    def empty(cls, chain: Chain, *, keep: bool, twice: bool) -> Tables:
        """Make room; where nothing is kept, for one block, but for all messages."""
        messages = chain.plan.message_layers
        rows = [
            chain.edges if keep or number == messages else min(BLOCK, chain.edges)
            for number in range(len(chain.widths))
        ]
        shapes = list(zip(rows, chain.widths, strict=True))
        silu = chain.plan.activation == "silu"
        kinds = (True, silu and keep, silu and keep and twice)
        return cls(*([chain.new(*shape) for shape in shapes] if kind else [] for kind in kinds))

    @classmethod
    def of(cls, plan: Plan, saved: Sequence[Tensor], *, twice: bool) -> Tables:
        """Undo :meth:`joined`.

        Args:
            plan: Names the activation.
            saved: What :meth:`joined` returned, each ``(edges, width)``, dimensionless.
            twice: Whether there are curvatures.
        """
        if plan.activation == "relu":
            return cls(saved)
        layers = len(saved) // (3 if twice else 2)
        return cls(saved[:layers], saved[layers : 2 * layers], saved[2 * layers :])

    def joined(self) -> list[Tensor]:
        """Return all tables."""
        return [*self.after, *self.slopes, *self.curvatures]

    def block(self, block: slice) -> Tables:
        """Return a block's rows of all tables.

        Args:
            block: The edges. A table shorter than the graph holds one block only.
        """
        return Tables(
            *(_rows(tables, block) for tables in (self.after, self.slopes, self.curvatures))
        )


def _rows(tables: Sequence[Tensor], block: slice) -> list[Tensor]:
    size = block.stop - block.start
    return [table[:size] if len(table) < block.stop else table[block] for table in tables]


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
        """Return the blocks of edges: equal ones, since calls for a small rest cost as much."""
        number = -(-self.edges // BLOCK)
        for k in range(number):
            yield slice(k * self.edges // number, (k + 1) * self.edges // number)

    def scratch(self, number: int, rows: int, width: int) -> Tensor:
        """Return one of a few small pieces of memory, ``(rows, width)``."""
        return self._scratch[number][: rows * width].view(rows, width)

    def forward(self, block: slice, rows: Tables) -> Tensor:
        """Fill a block's rows of all tables, and return its last activation."""
        features = self.features[block]
        result = self.first_layer(self.receiver, self.sender, features, block, rows.after[0])
        self._activate(result, rows, 0)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), 1):
            result = torch.addmm(bias, result, weight.t(), out=rows.after[number])
            self._activate(result, rows, number)
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

    def _activate(self, x: Tensor, rows: Tables, number: int) -> None:
        if self.plan.activation == "relu":
            x.relu_()
        elif not rows.slopes:
            functional.silu(x, inplace=True)
        else:
            s = torch.sigmoid(x, out=self.scratch(0, *x.shape))
            x.mul_(s)
            # With s the sigmoid and y = x s: D = dy/dx = s + y (1 - s), which needs no exponential.
            slope = torch.lerp(x, self._one, s, out=rows.slopes[number])
            if rows.curvatures:
                # dD/dx = s (1 - D) + (1 - s) D, without cancellation in half precision.
                rest = torch.sub(self._one, s, out=self.scratch(1, *x.shape))
                torch.lerp(s, rest, slope, out=rows.curvatures[number])

    def backward(self, block: slice, rows: Tables, outer: Outer, into: Gradients) -> None:
        """Add a block's share to all gradients."""
        before: Tensor | None = None
        for number in range(len(self.widths) - 1, -1, -1):
            gradient = self._gradient(number, block, rows, outer, into, before)
            seed = None if outer.seeds is None else outer.seeds[number][block]
            before = self._derivative(number, rows, gradient, seed)
            if number:
                into.add_layer(number - 1, before, rows.after[number - 1])
            else:
                into.add_first(block, before)

    def _gradient(
        self,
        number: int,
        block: slice,
        rows: Tables,
        outer: Outer,
        into: Gradients,
        before: Tensor | None,
    ) -> Tensor:
        """Return the gradient of a layer's activation, given that of the layer after it."""
        size = block.stop - block.start
        out = self._spare(number, size) if into.kept is None else into.kept[number][block]
        collects = number == self.plan.message_layers
        if collects:
            self._messages(block, rows, outer.collected, out, into)
        if before is not None:
            weight = self.weights[number]
            return out.addmm_(before, weight) if collects else torch.mm(before, weight, out=out)
        if not collects:
            out.zero_()
        if self.end is not None:
            moved = outer.moved[block]
            into.add_end(moved, rows.after[number])
            out.addr_(moved.to(out.dtype), self.end)
        return out

    def _spare(self, number: int, size: int) -> Tensor:
        """Return memory for the gradient of a layer; neighbouring layers use different pieces."""
        return self.scratch(number % 2, size, self.widths[number])

    def _messages(
        self, block: slice, rows: Tables, collected: Tensor, out: Tensor, into: Gradients
    ) -> None:
        """Write down the gradient that the sums of messages pass on."""
        incoming = self.plan.incoming
        torch.index_select(collected, 0, incoming.index[block], out=out)
        if incoming.weights is not None:  # an edge that stands for several
            out.mul_(incoming.weights[block].to(out.dtype).unsqueeze(1))
        if self.x.scale is not None:
            into.add_scale(block, out, rows.after[self.plan.message_layers])
            out.mul_(self.x.scale[block].to(out.dtype).unsqueeze(1))

    def _derivative(
        self, number: int, rows: Tables, gradient: Tensor, seed: Tensor | None
    ) -> Tensor:
        """Multiply a gradient by the derivative of the activation, and add what curvature adds."""
        out = self._spare(number, len(gradient))  # not into what is kept of the gradient
        if self.plan.activation == "relu":
            _threshold_backward(gradient, rows.after[number], 0, grad_input=out)
            return out if seed is None else out.add_(seed)
        if seed is None:
            return torch.mul(gradient, rows.slopes[number], out=out)
        return torch.addcmul(seed, gradient, rows.slopes[number], out=out)

    def slope(self, rows: Tables, number: int) -> Tensor:
        """Return the derivative of a layer's activation, ``(block, width)``.

        Args:
            rows: The block's rows of the tables.
            number: The layer's index in the chain.
        """
        if self.plan.activation == "silu":
            return rows.slopes[number]
        result = rows.after[number]
        return torch.gt(result, 0, out=self.scratch(2, *result.shape))


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
            into = self.features[block]
            if into.dtype == gradient.dtype:
                torch.mm(gradient, chain.first, out=into)
            else:
                into.copy_(torch.mm(gradient, chain.first))
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
