"""Settings of the descriptors."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from matsciml_core import Config


class DescriptorsConfig(Config):
    """Settings of the descriptors.

    With ``distances=false`` composition and density are left, and no neighbours are searched.
    """

    statistics: tuple[Literal["mean", "deviation", "min", "max", "range"], ...] = Field(
        default=("mean", "deviation", "min", "max"), min_length=1
    )
    """Statistics of the descriptors over the elements of a crystal. ``mean`` and ``deviation``, the
    mean absolute one, are weighted by composition."""
    distances: bool = True
    """Whether bonds and distances are described, which needs neighbours."""
    cutoff: PositiveFloat = 6.0
    """Longest distance, Å."""
    bins: int = Field(default=0, ge=0)
    """Number of Gaussians of the histogram of distances, centred evenly up to ``cutoff``; 0: there
    is none."""
    symprec: PositiveFloat | None = None
    """Tolerance, Å, with which the space group is searched, so that its number, its crystal system
    and its centring are described; empty: it is not searched, which takes 4 ms a crystal."""

    @model_validator(mode="after")
    def _has_distances_to_count(self) -> Self:
        if self.bins and not self.distances:
            raise ValueError("a histogram is of distances; leave bins away, or set distances=true")
        return self
