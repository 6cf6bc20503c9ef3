"""The networks of a layer's edges as one function, a block of edges at a time.

Dense layers this narrow wait for memory as long as they compute: in plain operations every
activation, derivative and gradient is a table of all edges that is written out and read back.
Here a block of edges that fits the processor's cache goes through all layers before the next one
starts. Only activations are kept for the backward pass, and no gradient of an edge's features is
written out.

Training on forces differentiates twice: once by the features, for the forces, and once by the
weights. The first derivative is a function of its own then, whose derivative goes over blocks,
too. It hands each layer what curvature adds to the layer's gradient, and the ordinary backward
pass, which follows, takes it along, so that no product is made twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from matsciml_model_egnn._chain import Chain, Gradients, Outer, Tables, WeightGradients
from matsciml_model_egnn._curvature import CurvatureGradients, Tangents, add_curvature
from matsciml_model_egnn._messages import EdgeInput, Plan, plain_messages, sum_messages

_INPUTS = 5
"""Tensors of :class:`EdgeInput`."""


def fused_messages(
    plan: Plan, x: EdgeInput, weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor | None]:
    """Do what :func:`plain_messages` does, a block of edges at a time.

    It can be differentiated twice. Where the second derivative is not that of a derivative by the
    features and the nodes' shares, but by weights twice, it goes the plain way, after computing
    everything once more.

    Args:
        plan: Graph and layers.
        x: The first dense layer.
        weights: Weight ``(out, in)`` and bias ``(out,)`` of the further layers of φ_e and of
            those of φ_x, dimensionless.

    Returns:
        ``(nodes, message)`` and ``(edges,)``; None where nothing moves.
    """
    twice = x.features.requires_grad and torch.is_grad_enabled()
    collected, moved, *_ = _Messages.apply(  # type: ignore[no-untyped-call]
        plan, twice, x.receiver, x.sender, x.features, x.weight, x.scale, *weights
    )
    return collected, moved if plan.moves else None


class _Messages(torch.autograd.Function):
    """Forward and backward over all blocks.

    Where it may be differentiated twice it returns its activations, too. Their gradients are used
    between this function and :class:`_Slopes` only, and mean those of the layers before activation.
    """

    @staticmethod
    def forward(ctx: Any, plan: Plan, twice: bool, *tensors: Any) -> tuple[Tensor, ...]:
        x, weights = EdgeInput(*tensors[:_INPUTS]), tensors[_INPUTS:]
        chain, keep = Chain(plan, x, weights), any(ctx.needs_input_grad)
        tables = Tables.empty(chain, keep=keep, twice=twice)
        moved = x.features.new_empty(chain.edges if plan.moves else 0)
        for block in chain.blocks():
            last = chain.forward(block, tables.block(block))
            if plan.moves:
                moved[block] = chain.displace(last)
        ctx.set_materialize_grads(False)
        if keep:
            ctx.plan, ctx.twice = plan, twice
            ctx.save_for_backward(*tensors, *tables.joined())
        collected = sum_messages(plan, tables.after[plan.message_layers], x)
        return (collected, moved, *tables.after) if twice else (collected, moved)

    @staticmethod
    def backward(
        ctx: Any, collected: Tensor | None, moved: Tensor | None, *seeds: Tensor | None
    ) -> tuple[Any, ...]:
        """Go over all blocks, or hand over to what can be differentiated again.

        Args:
            ctx: Has plan, tensors and tables.
            collected: Gradient of the sums of messages, ``(nodes, message)``, in the loss's unit;
                None: zero.
            moved: Gradient of φ_x, ``(edges,)``, in the loss's unit; None: zero.
            *seeds: Gradients of the layers before their activation, from curvature.
        """
        plan: Plan = ctx.plan
        count = len(ctx.needs_input_grad) - 2
        tensors, saved = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        x = EdgeInput(*tensors[:_INPUTS])
        tables = Tables.of(plan, saved, twice=ctx.twice)
        collected, moved = _filled(tables, plan, x, collected, moved)
        weights = _are_weights_wanted(ctx, x)
        if torch.is_grad_enabled():
            if weights or not ctx.twice:
                return None, None, *_again(plan, tensors, collected, moved)
            receiver, sender, along, envelope = _Slopes.apply(  # type: ignore[no-untyped-call]
                plan, collected, moved, count, *tensors, *saved
            )
            return None, None, *_in_order(receiver, sender, along, envelope, None, tensors)
        chain = Chain(plan, x, tensors[_INPUTS:])
        features, scale = ctx.needs_input_grad[4], ctx.needs_input_grad[6]
        into = Gradients(chain, weights=weights, features=features, scale=scale)
        curved = seeds if any(seed is not None for seed in seeds) else None
        outer = Outer(collected.to(plan.dtype), moved, curved)  # type: ignore[arg-type]
        for block in chain.blocks():
            chain.backward(block, tables.block(block), outer, into)
        found = (into.receiver, into.sender, into.features, into.scale, into.weights)
        return None, None, *_in_order(*found, tensors)


class _Slopes(torch.autograd.Function):
    """The gradients by shares, features and envelope, and their derivative."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, collected: Tensor, moved: Tensor, count: int, *given: Any
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Go over all blocks, and keep the gradients of all activations.

        Args:
            ctx: Keeps everything for the second derivative.
            plan: Graph and layers.
            collected: Gradient of the sums of messages, ``(nodes, message)``, in the loss's unit.
            moved: Gradient of φ_x, ``(edges,)``, in the loss's unit.
            count: Number of the function's tensors among those that follow.
            *given: The function's tensors, then its tables.
        """
        tensors, tables = given[:count], Tables.of(plan, given[count:], twice=True)
        x = EdgeInput(*tensors[:_INPUTS])
        chain = Chain(plan, x, tensors[_INPUTS:])
        into = Gradients(chain, weights=False, features=True, scale=x.scale is not None, keep=True)
        outer = Outer(collected.to(plan.dtype), moved)
        for block in chain.blocks():
            chain.backward(block, tables.block(block), outer, into)
        ctx.plan, ctx.count, ctx.tables = plan, count, len(given) - count
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(collected, moved, *given, *(into.kept or ()))
        return into.receiver, into.sender, into.features, into.scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *tangents: Tensor | None) -> tuple[Any, ...]:
        plan: Plan = ctx.plan
        collected, moved, *given = ctx.saved_tensors
        tensors, rest = given[: ctx.count], given[ctx.count :]
        tables, kept = Tables.of(plan, rest[: ctx.tables], twice=True), rest[ctx.tables :]
        chain = Chain(plan, EdgeInput(*tensors[:_INPUTS]), tensors[_INPUTS:])
        into = CurvatureGradients(chain)
        outer = Outer(collected.to(plan.dtype), moved)
        along = Tangents.of(chain, *tangents)
        for block in chain.blocks():
            add_curvature(chain, block, tables.block(block), kept, outer, along, into)
        found = _in_order(None, None, None, into.scale, into.weights, tensors)
        # Slopes and curvatures follow from the activations, whose seeds have their share.
        derived = [None] * (ctx.tables - len(into.seeds))
        return None, into.collected, into.moved, None, *found, *into.seeds, *derived


def _filled(
    tables: Tables, plan: Plan, x: EdgeInput, collected: Tensor | None, moved: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Put zeros in the place of gradients that nothing has."""
    if collected is None:
        message = tables.after[plan.message_layers].shape[1]
        collected = x.features.new_zeros(x.receiver.shape[0], message)
    if moved is None:
        moved = x.features.new_zeros(x.features.shape[0] if plan.moves else 0)
    return collected, moved


def _are_weights_wanted(ctx: Any, x: EdgeInput) -> bool:
    """Return whether this derivative is by weights, too, and not by positions alone.

    ``ctx.needs_input_grad`` says what could be wanted, not what is. PyTorch's own multi-gradient
    hooks ask the engine in this way.
    """
    nodes = [node for node, _ in ctx.next_functions]
    weights = [nodes[3], *nodes[_INPUTS if x.scale is not None else _INPUTS - 1 :]]
    try:
        return any(
            node is not None and torch._C._will_engine_execute_node(node) for node in weights
        )
    except RuntimeError:  # some weight itself is what somebody differentiates by
        return True


def _in_order(
    receiver: Tensor | None,
    sender: Tensor | None,
    features: Tensor | None,
    scale: Tensor | None,
    weights: WeightGradients | None,
    tensors: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Return gradients in the order, type and shape of the function's tensors."""
    layers = [None] * (len(tensors) - _INPUTS) if weights is None else weights.in_order()
    first = None if weights is None else weights.first
    found = [receiver, sender, features, first, scale, *layers]
    return [_like(gradient, tensor) for gradient, tensor in zip(found, tensors, strict=True)]


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
