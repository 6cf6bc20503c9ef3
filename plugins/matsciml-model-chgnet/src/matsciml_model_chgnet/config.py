"""Settings of CHGNet."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt, model_validator

from matsciml_core import Config


class CHGNetConfig(Config):
    """Settings of CHGNet; the defaults are those of the pretrained weights."""

    width: PositiveInt = 64
    """Features of an atom, of a bond and of an angle, dimensionless."""
    num_layers: PositiveInt = 4
    """Convolutions of the atoms; bonds and angles are updated between them."""
    radial_functions: PositiveInt = 31
    """Bessel functions of the length of an edge."""
    angular_functions: PositiveInt = 31
    """Fourier functions of an angle: a constant, and as many sines as cosines."""
    cutoff: PositiveFloat = 6.0
    """Longest edge over which atoms exchange messages, Å."""
    bond_cutoff: PositiveFloat = 3.0
    """Longest bond that makes angles with others, Å."""
    envelope_power: PositiveInt = 8
    """Power p of the envelope 1 − (p+1)(p+2)/2 xᵖ + … with which both cutoffs end."""

    @model_validator(mode="after")
    def _fits_together(self) -> CHGNetConfig:
        if self.angular_functions % 2 == 0:
            raise ValueError("angular_functions must be odd: a constant, and pairs")
        if self.bond_cutoff > self.cutoff:
            raise ValueError("bond_cutoff must not exceed cutoff: bonds are edges")
        return self
