"""What curvature adds to the gradient of a chain: the derivative of its backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from matsciml_model_egnn._chain import Chain, Outer, Tables, WeightGradients, add_product


@dataclass(frozen=True)
class Tangents:
    """Gradients of what the backward pass returns, in the type that the networks compute in."""

    receiver: Tensor
    """``(nodes, hidden)``."""
    sender: Tensor
    """``(nodes, hidden)``."""
    features: Tensor
    """``(edges, features)``."""
    scale: Tensor | None
    """``(edges,)``; None: zero."""

    @classmethod
    def of(
        cls,
        chain: Chain,
        receiver: Tensor | None,
        sender: Tensor | None,
        features: Tensor | None,
        scale: Tensor | None,
    ) -> Tangents:
        """Put zeros in the place of gradients that nothing has.

        Args:
            chain: The layers.
            receiver: Of the receivers' shares, ``(nodes, hidden)``, in the loss's unit; None: zero.
            sender: Of the senders' shares, ``(nodes, hidden)``, in the loss's unit; None: zero.
            features: Of the distance features, ``(edges, features)``, in the loss's unit; None:
                zero.
            scale: Of the envelope, ``(edges,)``, in the loss's unit; None: zero.
        """
        pairs = ((receiver, chain.receiver), (sender, chain.sender), (features, chain.features))
        return cls(
            *(torch.zeros_like(x) if given is None else given.to(x.dtype) for given, x in pairs),
            None if scale is None else scale.to(chain.features.dtype),
        )


class CurvatureGradients:
    """Sums over blocks, in the type of the features, and the seeds of the next backward pass."""

    def __init__(self, chain: Chain) -> None:
        """Make room, and start sums from zero."""
        like, message = chain.x.features, chain.widths[chain.plan.message_layers]
        self.collected = like.new_zeros(chain.receiver.shape[0], message)
        self.moved = like.new_empty(like.shape[0] if chain.plan.moves else 0)
        self.scale = None if chain.x.scale is None else like.new_empty(like.shape[0])
        self.weights = WeightGradients(chain)
        self.seeds = [chain.new(chain.edges, width) for width in chain.widths]


def add_curvature(
    chain: Chain,
    block: slice,
    rows: Tables,
    kept: Sequence[Tensor],
    outer: Outer,
    along: Tangents,
    into: CurvatureGradients,
) -> None:
    """Add a block's share to all gradients.

    The backward pass is g_k = δ_{k+1} W_{k+1}, δ_k = φ'(z_k) g_k, with z_k a layer before and g_k
    the gradient after its activation. The gradients u_k of δ_k go the other way,
    u_{k+1} = W_{k+1} φ'(z_k) u_k; on their way they leave φ''(z_k) g_k u_k as the seed of z_k.

    Args:
        chain: The layers.
        block: The edges.
        rows: The block's activations and their derivatives.
        kept: g_k of all edges, one ``(edges, width)`` per layer, in the loss's unit.
        outer: What the backward pass started from.
        along: The gradients of its results.
        into: Where the gradients are summed.
    """
    passed: Tensor | None = None
    for number in range(len(chain.widths)):
        u = _tangent(chain, number, block, along, passed)
        gradient, seed = kept[number][block], into.seeds[number][block]
        if rows.curvatures:
            torch.mul(rows.curvatures[number], gradient, out=seed).mul_(u)
        else:  # that of ReLU
            seed.zero_()
        slope = chain.slope(rows, number)
        delta = torch.mul(gradient, slope, out=chain.scratch(3, *u.shape))
        if passed is None:
            add_product(into.weights.first, delta, along.features[block])
        else:
            add_product(into.weights.layers[number - 1], delta, passed)
        passed = u.mul_(slope)
        if number == chain.plan.message_layers:
            _add_messages(chain, block, rows, outer, along, passed, slope, seed, into)
    if chain.end is not None and passed is not None and into.weights.end is not None:
        into.moved[block] = torch.mv(passed, chain.end)
        into.weights.end += torch.mv(passed.t(), outer.moved[block].to(passed.dtype))


def _tangent(
    chain: Chain, number: int, block: slice, along: Tangents, passed: Tensor | None
) -> Tensor:
    """Return u of a layer, ``(block, width)``."""
    out = chain.scratch(number % 2, block.stop - block.start, chain.widths[number])
    if passed is not None:
        return torch.mm(passed, chain.weights[number - 1].t(), out=out)
    return chain.first_layer(along.receiver, along.sender, along.features[block], block, out)


def _add_messages(
    chain: Chain,
    block: slice,
    rows: Tables,
    outer: Outer,
    along: Tangents,
    passed: Tensor,
    slope: Tensor,
    seed: Tensor,
    into: CurvatureGradients,
) -> None:
    """Add what follows from the sums of messages, where the envelope enters, too."""
    incoming = chain.plan.incoming
    index = incoming.index[block]
    times = None if incoming.weights is None else incoming.weights[block].to(passed.dtype)
    above = torch.index_select(outer.collected, 0, index, out=chain.scratch(4, *passed.shape))
    if times is not None:
        above.mul_(times.unsqueeze(1))
    sums = passed.clone() if times is None else passed * times.unsqueeze(1)
    if into.scale is not None and chain.x.scale is not None:
        into.scale[block] = torch.linalg.vecdot(above, passed)
        sums.mul_(chain.x.scale[block].to(sums.dtype).unsqueeze(1))
    if along.scale is not None:
        share = along.scale[block].unsqueeze(1)
        seed.addcmul_(above.mul_(share), slope)
        share = share if times is None else share * times.unsqueeze(1)
        sums.addcmul_(rows.after[chain.plan.message_layers], share)
    into.collected.index_add_(0, index, sums.to(into.collected.dtype))
