"""Geometric algebra attention over the tuples of a neighbourhood.

Written plainly, a layer joins two D-wide vectors for every tuple t = (i₁ .. i_k),

    z_t = V(q_t) J₀ + (Σₙ v_{iₙ} Kₙ) J₁,        s_t = S(z_t),

and returns Σ w_t z_t with w = softmax(s). Everything between the hidden layer of the value network
V and that of the score network S is linear, and so is everything between the hidden layer of V and
the result. So z_t is never written out here: with h_t the hidden layer of V, A = J₀ᵀW₂ (W₂ the
last layer of V) and uₙ = v KₙJ₁, which belongs to members and not to tuples,

    first layer of S:  S₁ z_t = (S₁A) h_t + Σₙ (S₁ uₙ)_{iₙ} + constant,
    result:            Σ w_t z_t = A Σ w_t h_t + Σₙ Σ w_t uₙ_{iₙ} + constant,

one matrix product per tuple instead of five, and none of the D-wide tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_model_gala.networks import DenseNetwork, LayerNorm, MomentumNorm
from matsciml_model_gala.products import Mode, spans

Mix = Literal["mean", "concat"]
_EXCLUDED = -1e9
"""Score of a tuple with a member that does not exist. Not −∞: a member that only fills a block
up has no other tuples, and the softmax of nothing but −∞ is NaN."""


@dataclass(frozen=True, kw_only=True)
class AttentionOptions:
    """What kind of attention a layer pays."""

    width: int
    """Width of the values, D."""
    invariants: int
    """Width of the value network's input."""
    rank: int = 2
    merge: Mix = "concat"
    join: Mix = "concat"
    reduce: bool = False
    """Whether the whole neighbourhood gives one result, rather than each member one."""
    covariants: int = 0
    """Number of products in the rotation-covariant result; 0: there is none."""
    invariant_result: bool = True
    """Whether there is a rotation-invariant result."""
    hidden_width: int = 256
    """Hidden width of all three networks."""
    norm: LayerNorm = "layer"
    """Normalisation inside the networks."""
    input_norm: bool = True
    """Whether a :class:`~matsciml_model_gala.networks.MomentumNorm` is on the invariants."""


class Result(NamedTuple):
    """What a layer returns."""

    invariant: Tensor | None
    """``(centres, members, D)``, or ``(centres, D)`` where it is reduced."""
    covariant: Tensor | None
    """``(centres, members, w)``, or ``(centres, w)``."""


class GeometricAttention(nn.Module):
    """One attention layer of rank 1 to 3, invariant, covariant or both with the same weights.

    References:
        Spellings, Geometric Algebra Attention Networks for Small Point Clouds,
        arXiv:2110.02393 (2021), Eqs. (2)-(5).
    """

    def __init__(self, options: AttentionOptions) -> None:
        """Build networks and kernels.

        Args:
            options: The kind of attention.
        """
        super().__init__()
        self.options = options
        width, hidden = options.width, options.hidden_width
        self.input_norm = MomentumNorm(options.invariants) if options.input_norm else None
        self.value = DenseNetwork(options.invariants, hidden, width, options.norm)
        self.score = DenseNetwork(width, hidden, 1, options.norm)
        self.scale = DenseNetwork(width, hidden, 1, options.norm) if options.covariants else None
        rank = options.rank
        self.merge = _kernels(rank, width, 2 / rank) if options.merge == "concat" else None
        self.join = _kernels(2, width, 1.0) if options.join == "concat" else None
        several = options.covariants > 1
        self.vector = nn.Parameter(0.05 * torch.randn(options.covariants)) if several else None

    def forward(
        self,
        invariants: Tensor,
        values: Tensor,
        *,
        columns: Sequence[int] | None = None,
        mask: Tensor | None = None,
        log_weights: Tensor | None = None,
        covariants: Tensor | None = None,
    ) -> Result:
        """Attend.

        Args:
            invariants: ``(centres, members^rank, n)``, in powers of Å.
            values: ``(centres, members, D)``, dimensionless.
            columns: Places of the n invariants in the input of the value network, whose other
                inputs are zero; None: they are all there.
            mask: Which members exist, ``(centres, members)`` bool, dimensionless; None: all.
            log_weights: Logarithm of each member's weight, ``(centres, members)``, dimensionless;
                None: zero.
            covariants: ``(centres, members^rank, products, w)``, in powers of Å, for a covariant
                result.

        Returns:
            The results that the options ask for.
        """
        terms, matrix, constant = self._linear_parts(values)
        hidden = self._value_hidden(invariants, columns)  # (centres, members^rank, hidden)
        scores = self._per_tuple(self.score, hidden, terms, matrix, constant)
        weights = self._softmax(scores, mask, log_weights)  # (centres, members^rank)
        invariant = covariant = None
        if self.options.invariant_result:
            invariant = self._average(weights, hidden, terms, matrix, constant)
        if self.scale is not None and covariants is not None:
            scales = self._per_tuple(self.scale, hidden, terms, matrix, constant)
            covariant = self._combine(weights * scales, covariants)
        return Result(invariant, covariant)

    def _linear_parts(self, values: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return uₙ, ``(centres, members, D)`` each, A, ``(D, hidden)``, and the constant, (D,)."""
        last = self.value.last
        rank = self.options.rank
        kernels = [None] * rank if self.merge is None else [*self.merge.unbind(0)]
        if self.join is None:
            maps = [None if kernel is None else kernel / 2 for kernel in kernels]
            matrix, constant = last.weight / 2, last.bias / 2
        else:
            first, second = self.join.unbind(0)
            maps = [second / rank if kernel is None else kernel @ second for kernel in kernels]
            matrix, constant = first.T @ last.weight, last.bias @ first
        terms = [values / (2 * rank) if m is None else values @ m for m in maps]
        return terms, matrix, constant

    def _value_hidden(self, invariants: Tensor, columns: Sequence[int] | None) -> Tensor:
        """Return the value network's hidden layer; its input norm is taken into the weights."""
        # A contiguous (n, hidden) matrix: its gradient is then qᵀg, eight times faster than gᵀq.
        weight: Tensor = self.value.first.weight.T
        bias: Tensor = self.value.first.bias
        if self.input_norm is not None:
            weight = weight / self.input_norm.divisor.unsqueeze(1)
            bias = bias - self.input_norm.mean @ weight
        if columns is not None:
            weight = weight[list(columns)]
        rows = invariants.flatten(0, -2)
        x = torch.addmm(bias, rows, weight.contiguous())
        return self.value.activate(x).view(*invariants.shape[:-1], -1)

    def _per_tuple(
        self,
        network: DenseNetwork,
        hidden: Tensor,
        terms: Sequence[Tensor],
        matrix: Tensor,
        constant: Tensor,
    ) -> Tensor:
        """Return a one-number network of z for every tuple, ``(centres, members^rank)``."""
        first = network.first
        rows = hidden.flatten(0, -2) @ (matrix.T @ first.weight.T)
        x = rows.view(hidden.shape[:-1] + rows.shape[-1:])
        shared = functional.linear(constant, first.weight, first.bias)
        for place, term in enumerate(terms):
            member = term @ first.weight.T
            # In place: the product is not needed by its own derivative.
            x = x.add_(self._along(member + shared if place == 0 else member, place))
        y: Tensor = network.last(network.activate(x))
        return y.squeeze(-1)

    def _along(self, member: Tensor, place: int) -> Tensor:
        """View something of members, ``(centres, members, n)``, along one axis of the tuples."""
        centres, members, width = member.shape
        after = self.options.rank - place - 1
        return member.view(centres, *[1] * place, members, *[1] * after, width)

    def _softmax(self, scores: Tensor, mask: Tensor | None, log_weights: Tensor | None) -> Tensor:
        rank = self.options.rank
        # A tuple counts as the product of what its members do, so it fades as any of them leaves.
        if log_weights is not None:
            for place in range(rank):
                scores = scores + self._along(log_weights.unsqueeze(-1), place).squeeze(-1)
        if mask is not None:
            for place in range(rank):
                here = self._along(mask.unsqueeze(-1), place).squeeze(-1)
                scores = scores.masked_fill(~here, _EXCLUDED)
        kept = 1 if self.options.reduce else 2
        flat = scores.reshape(*scores.shape[:kept], -1)
        return torch.softmax(flat, dim=-1).view(scores.shape)

    def _average(
        self,
        weights: Tensor,
        hidden: Tensor,
        terms: Sequence[Tensor],
        matrix: Tensor,
        constant: Tensor,
    ) -> Tensor:
        """Return the weighted sum of z."""
        kept = 1 if self.options.reduce else 2
        row = weights.reshape(*weights.shape[:kept], 1, -1)
        rows = hidden.reshape(*hidden.shape[:kept], -1, hidden.shape[-1])
        result = functional.linear((row @ rows).squeeze(-2), matrix, constant)
        for place, term in enumerate(terms):
            if place == 0 and kept == 2:
                result = result + term  # the weights of a member sum to one
                continue
            others = [k + 1 for k in range(kept - 1, self.options.rank) if k != place]
            shares = weights.sum(dim=others) if others else weights  # (centres[, members], members)
            result = result + (shares.unsqueeze(-2) @ term if kept == 1 else shares @ term).view_as(
                result
            )
        return result

    def _combine(self, factors: Tensor, covariants: Tensor) -> Tensor:
        """Return the sum of the products, with factors that differ by tuple and by product."""
        if self.vector is None:
            mixed = covariants.squeeze(-2)
        else:
            mixed = (covariants * self.vector.unsqueeze(-1)).sum(dim=-2)
        kept = 1 if self.options.reduce else 2
        summed = (factors.unsqueeze(-1) * mixed).flatten(kept, -2) if factors.dim() > kept else None
        return factors.unsqueeze(-1) * mixed if summed is None else summed.sum(dim=kept)


def _kernels(count: int, width: int, variance: float) -> nn.Parameter:
    deviation = math.sqrt(variance / width)
    return nn.Parameter(deviation * torch.randn(count, width, width))


def invariant_width(rank: int, mode: Mode, *, normalised: bool) -> int:
    """Return the width of a value network's input with multivectors: four per product."""
    return 4 * len(spans(rank, mode)) * (2 if normalised else 1)
