"""Molecular dynamics of fcc alloys with the EMT potential."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.data import reference_states
from numpy.typing import NDArray

from matsciml_core import Crystal
from matsciml_data_emt.config import EMTConfig

FRICTION = 0.02
"""Friction of the thermostat, 1/fs: strong enough to heat a crystal within the first frames."""
EQUILIBRATION = 75
"""Time steps before the first frame."""

Numbers = NDArray[np.float64]
Atoms = Any
"""ASE's crystal; ASE has no types."""


def generate(config: EMTConfig) -> Iterator[Crystal]:
    """Yield the crystals, trajectory after trajectory, each in the order of time.

    Args:
        config: What to generate.

    Yields:
        Crystals called ``t<trajectory>-<frame>``, with energy, forces and stress.
    """
    for trajectory in range(config.trajectories):
        random = np.random.Generator(np.random.PCG64([config.seed, trajectory]))
        atoms = start(config, random)
        low, high = config.temperatures
        motion = Langevin(atoms, random.uniform(low, high), config.timestep, random)
        motion.run(EQUILIBRATION)
        for frame in range(config.frames):
            motion.run(config.steps_between)
            yield Crystal(
                id=f"t{trajectory:04d}-{frame:04d}",
                # Copies: the atoms are moved on.
                atomic_numbers=atoms.numbers,
                positions=atoms.positions.copy(),
                cell=atoms.cell.array.copy(),
                labels={
                    "energy": float(atoms.get_potential_energy()),
                    "forces": atoms.get_forces().copy(),
                    "stress": atoms.get_stress(voigt=False).copy(),
                },
            )


def start(config: EMTConfig, random: np.random.Generator) -> Atoms:
    """Return a random alloy on an fcc lattice in a randomly strained cell.

    The lattice constant is the mean of the metals' own, weighted by composition (Vegard's rule).

    Args:
        config: The metals, the size of the cell and the largest strain.
        random: Source of composition, order and strain.
    """
    shares = random.dirichlet(np.ones(len(config.metals)))
    lattice: Atoms = bulk(config.metals[0], "fcc", a=1.0, cubic=True).repeat(config.repeats)  # type: ignore[no-untyped-call]
    symbols = random.choice(config.metals, size=len(lattice), p=shares)
    lattice.set_chemical_symbols(symbols.tolist())
    constant = np.mean([reference_states[number]["a"] for number in lattice.numbers])
    strain = random.uniform(-config.largest_strain, config.largest_strain, size=(3, 3))
    deformation = np.eye(3) + 0.5 * (strain + strain.T)
    lattice.set_cell(constant * lattice.cell.array @ deformation, scale_atoms=True)
    lattice.calc = EMT()  # type: ignore[no-untyped-call]
    return lattice


class Langevin:
    """Langevin dynamics in the BAOAB splitting, which samples positions well at large steps.

    Args:
        atoms: The crystal with its calculator; its positions are moved.
        temperature: Temperature of the bath, K.
        timestep: Time step, fs.
        random: Source of velocities and kicks.

    References:
        Leimkuhler and Matthews, Rational construction of stochastic numerical methods for
        molecular sampling, Applied Mathematics Research eXpress (2013), doi:10.1093/amrx/abs010.
    """

    def __init__(
        self, atoms: Atoms, temperature: float, timestep: float, random: np.random.Generator
    ) -> None:
        """Sample velocities from the Maxwell–Boltzmann distribution."""
        self.atoms = atoms
        self.timestep = timestep * units.fs
        self.random = random
        self.masses: Numbers = atoms.get_masses()[:, None]
        self.thermal: Numbers = np.sqrt(units.kB * temperature / self.masses)
        """Standard deviation of each atom's velocity components at the temperature."""
        self.velocities: Numbers = self.thermal * random.normal(size=(len(atoms), 3))
        self.memory = float(np.exp(-FRICTION * timestep))
        """Share of the velocity that the bath leaves in a step, exp(−γ Δt)."""

    def run(self, steps: int) -> None:
        """Take steps.

        Args:
            steps: How many.
        """
        for _ in range(steps):  # B A O A B
            self._kick()
            self._drift()
            noise = self.random.normal(size=self.velocities.shape)
            # The exact solution of the Ornstein–Uhlenbeck process: the variance stays thermal.
            share = np.sqrt(1.0 - self.memory**2)
            self.velocities = self.memory * self.velocities + share * self.thermal * noise
            self._drift()
            self._kick()

    def _kick(self) -> None:
        forces = self.atoms.get_forces()
        self.velocities = self.velocities + 0.5 * self.timestep * forces / self.masses

    def _drift(self) -> None:
        self.atoms.positions += 0.5 * self.timestep * self.velocities
