"""Settings of the head for energies, forces and stress."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from matsciml_core import Config


class EnergyForcesConfig(Config):
    """Settings of the head for energies, forces and stress."""

    hidden: tuple[PositiveInt, ...] = (64, 32)
    """Widths of the hidden layers that turn an atom's embedding into its energy, dimensionless."""
    activation: Literal["silu", "softplus"] = "silu"
    """Activation between the layers; only smooth ones, because forces are derivatives."""
    loss: Literal["l1", "mse", "huber"] = "l1"
    """Loss of energies per atom and of single force and stress components, in units of the
    fitted spread; ``huber`` changes from quadratic to linear there."""
    energy_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the energy per atom (eV/atom) in the loss at the end of training, relative to the
    other two."""
    energy_start: float = Field(default=1.0, gt=0.0)
    """What ``energy_weight`` is multiplied with at the start of training, from where it goes to 1
    by equal factors, dimensionless. Above 1 levels of energies, which differ between compositions
    and cells and are in no force, come first; below 1 forces do."""
    forces_weight: float = Field(default=10.0, ge=0.0)
    """Weight of a force component (eV/Å) in the loss, relative to the other two."""
    stress_weight: float = Field(default=10.0, ge=0.0)
    """Weight of a stress component (eV/Å³) in the loss, relative to the other two."""
    scale: Literal["auto", "energy", "forces"] = "auto"
    """What the network's output is measured in, one number for energies, forces and stress:
    ``energy``: the standard deviation of the energy per atom that elements do not explain;
    ``forces``: the root mean square of the force components, in eV/Å times 1 Å; ``auto``: forces
    where they are trained."""
