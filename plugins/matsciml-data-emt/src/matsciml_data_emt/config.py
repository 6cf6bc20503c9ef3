"""Settings of the dataset ``emt``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from matsciml_core import Config

Metal = Literal["Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt"]


class EMTConfig(Config):
    """Which alloys to move, and how. Every setting is part of the identity of the data."""

    metals: tuple[Metal, ...] = ("Cu", "Au")
    """The elements of the alloy; each trajectory has its own proportions."""
    trajectories: int = Field(default=20, ge=10)
    """Independent trajectories; a split keeps each in one subset."""
    frames: PositiveInt = 50
    """Crystals of each trajectory."""
    repeats: PositiveInt = 2
    """Cubic cells of four atoms along each axis: 2 gives 32 atoms."""
    steps_between: PositiveInt = 5
    """Time steps from one frame to the next."""
    timestep: PositiveFloat = 4.0
    """Time step, fs."""
    temperatures: tuple[PositiveFloat, PositiveFloat] = (300.0, 1200.0)
    """Range from which each trajectory's temperature is sampled, K."""
    largest_strain: float = Field(default=0.03, ge=0.0, lt=0.2)
    """Each trajectory's cell is strained at random by up to this, dimensionless."""
    seed: int = Field(default=0, ge=0)
    """Seed of compositions, cells, velocities and thermostat."""
    folder: str | None = None
    """Where to keep what was generated; empty: the user's data folder."""

    @model_validator(mode="after")
    def _is_an_alloy(self) -> EMTConfig:
        if len(set(self.metals)) != len(self.metals) or not self.metals:
            raise ValueError("name at least one metal, and each once")
        if self.temperatures[0] > self.temperatures[1]:
            raise ValueError("the first temperature must not be above the second")
        return self
