"""What the layers of GALA see of the displacements to the members of a neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_model_gala.algebra import soft_length
from matsciml_model_gala.products import Products


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What the layers see of a block's displacements."""

    products: Products
    """Of all tuples of members."""
    invariants: Tensor
    """Of all tuples, ``(centres, members, .., invariants)`` with as many axes of members as a tuple
    has members."""
    mask: Tensor | None
    """Which members exist, ``(centres, members)`` bool; None: all."""
    log_weights: Tensor | None
    """Logarithm of how much each member counts, ``(centres, members)``; None: 1."""
    centres: Tensor | None
    """How many atoms each centre stands for."""

    @property
    def row_weights(self) -> Tensor:
        """How often each tuple counts in a statistic, ``(centres, [members,] .., 1)``."""
        rank = self.products.rank
        counts = self.member_weights
        members = counts.shape[1]
        result = counts.new_ones(())
        for place in range(rank):
            shape = (-1, *[1] * place, members, *[1] * (rank - place - 1), 1)
            exists = (counts > 0).to(counts.dtype) if place else counts
            result = result * exists.reshape(shape)
        return result

    @property
    def member_weights(self) -> Tensor:
        """How often each member counts, ``(centres, members)``."""
        points = self.products.powers[0]
        counts = points.new_ones(points.shape[:2])
        if self.mask is not None:
            counts = self.mask.to(counts.dtype)
        return counts if self.centres is None else counts * self.centres.to(counts)[:, None]


def log_envelope(vectors: Tensor, cutoff: float) -> Tensor:
    """Return ln c(r), with c falling smoothly from 1 at zero to 0 at the cutoff.

    c = 1 − 10x³ + 15x⁴ − 6x⁵ with x = r/cutoff; value and two derivatives vanish at the cutoff.

    Args:
        vectors: ``(..., 3)``, Å.
        cutoff: Å.

    Returns:
        ``(...,)``, at least ln 10⁻³⁰.
    """
    x = soft_length(vectors.square().sum(-1), 0.0) / cutoff
    return polynomial_envelope(x, 3).clamp(min=1e-30).log()
