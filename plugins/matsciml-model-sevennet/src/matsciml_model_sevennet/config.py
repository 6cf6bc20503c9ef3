"""Settings of SevenNet."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from matsciml_core import Config


class SevenNetConfig(Config):
    """Settings of SevenNet; the defaults are those of SevenNet-0."""

    widths: tuple[PositiveInt, ...] = Field(default=(128, 64, 32), min_length=1, max_length=5)
    """Features of each degree between the layers: scalars, vectors, tensors of second rank, …"""
    num_layers: PositiveInt = 5
    """Interactions; the last one makes scalars only."""
    cutoff: PositiveFloat = 5.0
    """Longest edge, Å."""
    radial_functions: PositiveInt = 8
    """Bessel functions of the length of an edge."""
    radial_widths: tuple[PositiveInt, ...] = Field(default=(64, 64), min_length=1)
    """Widths of the hidden layers of the network that turns Bessel functions into weights."""
    envelope: Literal["xplor", "polynomial"] = "xplor"
    """How messages end at the cutoff. ``xplor``: they are as they are up to ``onset``, and fall
    from there with a continuous first derivative. ``polynomial``: they fall from the start, with
    two continuous derivatives."""
    onset: PositiveFloat = 4.5
    """Where the envelope ``xplor`` begins to fall, Å."""
    envelope_power: PositiveInt = 6
    """Power p of the envelope ``polynomial``; the larger, the later it falls."""
    avg_num_neighbors: PositiveFloat = 35.98957443237305
    """Sums over neighbours are divided by this number, in every crystal."""
    scalar_bias: bool = False
    """Whether the layers around a convolution add a constant to scalars. Weights for several levels
    of theory differ in it."""

    @model_validator(mode="after")
    def _falls_before_the_cutoff(self) -> SevenNetConfig:
        if self.envelope == "xplor" and self.onset >= self.cutoff:
            raise ValueError("onset must be below cutoff: between the two the envelope falls")
        return self
