"""Settings of the NequIP encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from matsciml_core import Config

_ATOMS_PER_VOLUME = 0.066
"""Mean number density around an atom in inorganic crystals, Å⁻³: between 0.063 and 0.067 for
cutoffs from 4 to 6 Å in the crystals of the Materials Project that come with the toolkit."""


class NequIPConfig(Config):
    """Settings of NequIP; the defaults are the preset ``default``.

    ``small`` has scalars and vectors only, half the width and two layers, for a quick look.
    """

    cutoff: float = Field(default=5.0, gt=0)
    """Longest edge, Å."""
    elements: Literal["learnt", "described", "both"] = "both"
    """What an element starts as: a learnt row, its measured properties (through a learnt linear
    layer), or the sum of both."""
    num_layers: int = Field(default=3, ge=1)
    """Number of interaction layers."""
    num_features: int = Field(default=32, ge=1)
    """Number of features of each kind (scalars, vectors, …) between the layers."""
    lmax: int = Field(default=2, ge=0, le=2)
    """Highest degree of the spherical harmonics and of the features: 0 scalars only, 1 vectors,
    2 tensors of second rank."""
    parity: Literal["natural", "both"] = "natural"
    """Which features there are between the layers. ``natural``: those of parity (−1)ˡ, that is
    0e, 1o and 2e. ``both``: also pseudoscalars, pseudovectors and pseudotensors (0o, 1e and 2o),
    as in the paper; about three times the cost. Either is equivariant under reflection."""
    embedding_width: int = Field(default=64, ge=1)
    """Number of scalars of the last layer: the width of the embedding."""
    tensor_output: bool = False
    """Whether the last layer makes tensors too. If not, the tensors that ``irreps_features``
    returns are those of the layer before, and a model that reads scalars only is faster."""
    species_width: int = Field(default=8, ge=1)
    """Length of the description of an element that the self-connections depend on."""
    num_radial: int = Field(default=8, ge=1)
    """Number of Bessel functions of the distance."""
    radial_widths: tuple[PositiveInt, ...] = Field(default=(64, 64), min_length=1)
    """Widths of the hidden layers of the network that turns Bessel functions into weights."""
    envelope_power: int = Field(default=6, ge=2)
    """Power p of the polynomial envelope; the larger, the later it falls to zero."""
    avg_num_neighbors: float | None = Field(default=None, gt=0)
    """A sum over neighbours is divided by the square root of this number; None: the average in
    inorganic crystals at this cutoff. It is a constant, so supercells look alike."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "default": MappingProxyType({}),
            "small": MappingProxyType(
                {"num_layers": 2, "num_features": 16, "lmax": 1, "embedding_width": 32}
            ),
        }
    )

    @property
    def neighbours_per_atom(self) -> float:
        """The number that sums over neighbours are normalised with."""
        if self.avg_num_neighbors is not None:
            return self.avg_num_neighbors
        return _ATOMS_PER_VOLUME * 4 / 3 * math.pi * self.cutoff**3
