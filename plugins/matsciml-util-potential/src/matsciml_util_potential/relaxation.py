"""Relaxing a structure, with its cell or without, by ASE's optimisers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import ase.optimize
import numpy as np
from ase import units
from ase.filters import FrechetCellFilter

from matsciml_core.errors import ConfigError
from matsciml_util_potential.held import hold_fractions

Optimiser = Literal["fire", "lbfgs", "bfgs"]
Cell = Literal["fixed", "volume", "shape", "full"]
_OPTIMISERS = {"fire": "FIRE", "lbfgs": "LBFGS", "bfgs": "BFGS"}


@dataclass(frozen=True, kw_only=True)
class RelaxationStep:
    """Energy, forces and cell after a step of a relaxation."""

    index: int
    """0: the structure as it was."""
    energy: float
    """eV."""
    largest_force: float
    """Length of the longest force on an atom, eV/Å."""
    volume: float
    """Å³; NaN without a cell."""
    pressure: float
    """GPa, positive under compression; NaN where the cell is fixed."""


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """Result of a relaxation."""

    atoms: Any
    """The relaxed ASE Atoms, with their calculator."""
    converged: bool
    initial: RelaxationStep
    final: RelaxationStep


def relax(
    atoms: Any,
    *,
    optimiser: Optimiser = "fire",
    cell: Cell = "fixed",
    largest_force: float = 0.02,
    steps: int = 500,
    pressure: float = 0.0,
    on_step: Callable[[RelaxationStep], None] | None = None,
) -> Relaxation:
    """Move atoms, and where asked for the cell, to the nearest minimum of the energy.

    Args:
        atoms: ASE Atoms with a calculator; they are moved.
        optimiser: ``fire`` is robust, ``lbfgs`` and ``bfgs`` need fewer steps near a minimum.
        cell: What of the cell changes: nothing, its ``volume``, its ``shape`` at constant volume,
            or both.
        largest_force: Converged where no atom feels more, eV/Å; where the cell changes, the
            stress times the volume per atom must be as small, eV.
        steps: Most steps.
        pressure: Pressure at which the cell is relaxed, GPa.
        on_step: Called after every step, and with the structure as it was.

    Returns:
        The relaxed atoms, and whether they are.

    Raises:
        ConfigError: A cell is to change that is not periodic, or a choice does not exist.
        DataError: The model's energy or forces are not finite, or the cell collapses.
    """
    hold_fractions(atoms)
    variables = _variables(atoms, cell, pressure)
    if optimiser not in _OPTIMISERS:
        raise ConfigError(
            f"There is no optimiser '{optimiser}'; choices: {', '.join(_OPTIMISERS)}."
        )
    motion = getattr(ase.optimize, _OPTIMISERS[optimiser])(variables, logfile=None)
    ends: list[RelaxationStep] = []  # the first step and the latest one

    def observe() -> None:
        periodic = bool(atoms.cell.rank == 3)
        step = RelaxationStep(
            index=motion.nsteps,
            energy=float(atoms.get_potential_energy()),
            largest_force=float(np.linalg.norm(atoms.get_forces(), axis=1).max()),
            volume=float(atoms.get_volume()) if periodic else float("nan"),
            # A stress is positive under tension, a pressure under compression.
            pressure=float("nan")
            if cell == "fixed"
            else float(-atoms.get_stress()[:3].mean() / units.GPa),
        )
        ends[1:] = [step]
        if on_step is not None:
            on_step(step)

    motion.attach(observe)
    converged = bool(motion.run(fmax=largest_force, steps=steps))
    return Relaxation(atoms=atoms, converged=converged, initial=ends[0], final=ends[-1])


def _variables(atoms: Any, cell: Cell, pressure: float) -> Any:
    """Return what the optimiser moves: the atoms, or the atoms and their cell."""
    if cell not in ("fixed", "volume", "shape", "full"):
        raise ConfigError(
            f"There is no choice '{cell}' for the cell; choose fixed, volume, shape or full."
        )
    if cell == "fixed":
        return atoms
    if not atoms.pbc.all():
        raise ConfigError(
            "Only a cell that is periodic in all directions can be relaxed; keep it fixed."
        )
    # The logarithm of the deformation is the variable: steps stay symmetric in stretching and
    # compressing, and no step turns the cell inside out.
    return FrechetCellFilter(
        atoms,
        hydrostatic_strain=cell == "volume",
        constant_volume=cell == "shape",
        scalar_pressure=pressure * units.GPa,
    )
