"""Settings of MACE."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from matsciml_core import Config

Interaction = Literal[
    "RealAgnosticInteractionBlock",
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
]
"""Names of the interactions, as in mace-torch."""


class MACEConfig(Config):
    """Settings of MACE; a file of weights brings its own."""

    network: Literal["MACE", "ScaleShiftMACE"] = "ScaleShiftMACE"
    """``ScaleShiftMACE`` scales what interactions give; ``MACE`` does not."""
    cutoff: PositiveFloat = 5.0
    """Longest edge, Å."""
    radial_functions: PositiveInt = 8
    """Functions of the length of an edge."""
    radial_type: Literal["bessel", "gaussian", "chebyshev"] = "bessel"
    """Their kind."""
    radial_widths: tuple[PositiveInt, ...] = (64, 64, 64)
    """Widths of the hidden layers of the network that turns them into weights."""
    distance_transform: Literal["None", "Agnesi", "Soft"] = "None"
    """How lengths are transformed before, by the elements' radii."""
    envelope_power: PositiveInt = 5
    """Power p of the polynomial with which messages end at the cutoff."""
    max_degree: int = Field(default=3, ge=0, le=6)
    """Highest degree of the spherical harmonics of edges."""
    first_interaction: Interaction = "RealAgnosticResidualInteractionBlock"
    """The first interaction."""
    interaction: Interaction = "RealAgnosticResidualInteractionBlock"
    """The further ones."""
    num_interactions: PositiveInt = 2
    """Interactions; the last one makes scalars only."""
    width: PositiveInt = 64
    """Features of each degree between the interactions."""
    hidden_degree: int = Field(default=0, ge=0, le=3)
    """Highest degree of those features: 0: scalars, 1: vectors too, …"""
    correlation: PositiveInt = 3
    """Atoms that a feature depends on at once, besides the one in the middle."""
    readout_width: PositiveInt = 16
    """Width of the last read-out, of each head."""
    avg_num_neighbors: PositiveFloat = 30.0
    """Sums over neighbours are divided by this number, in every crystal."""
    elements: tuple[PositiveInt, ...] = tuple(range(1, 95))
    """Atomic numbers that the network knows."""
    repulsion: bool = False
    """Whether the repulsion of nuclei by Ziegler, Biersack and Littmark is added."""
    reduced_coupling: bool = True
    """Whether the coupling coefficients are reduced to independent ones; files of before 2025 were
    made without."""
    heads: tuple[str, ...] = ("Default",)
    """Names of the read-outs, of which weights for several levels of theory have some."""
    head: str = "Default"
    """The one that is used."""

    @model_validator(mode="after")
    def _fits_together(self) -> MACEConfig:
        if self.head not in self.heads:
            raise ValueError(f"head '{self.head}' is none of {', '.join(self.heads)}")
        if tuple(sorted(set(self.elements))) != self.elements or self.elements[-1] > 118:
            raise ValueError("elements must be atomic numbers up to 118, ascending, each once")
        return self
