"""Energies in another unit than declared, told by how they grow and by the work of forces.

Two laws need nothing but the labels themselves. A total energy grows with the number of atoms. And
along a path of small steps the energy changes by minus the work of the forces, so that the slope of
one over the other says by which factor, and which sign, one of them is off.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matsciml_core.interfaces.batch import CrystalBatch

_HARTREE, _BOHR = 27.211386245981, 0.529177210544
_FEWEST_PAIRS, _MOST_PAIRS = 10, 20_000
_FEWEST_CRYSTALS = 20
_LONGEST_STEP = 0.5
"""Å that an atom may move between two frames for the energy to follow the mean of the forces."""
_LOWEST_CORRELATION = 0.8
"""Of work and change of energy; with less the frames are of no path, and the slope says nothing."""
_FACTORS = {
    "the energy looks like hartree": 1 / _HARTREE,
    "the energy looks like rydberg": 2 / _HARTREE,
    "the energy looks like kcal/mol": 23.060548,
    "the energy looks like kJ/mol": 96.485332,
    "the forces look like hartree/bohr": _HARTREE / _BOHR,
    "the forces look like rydberg/bohr": _HARTREE / _BOHR / 2,
    "both look like atomic units, hartree and hartree/bohr": 1 / _BOHR,
}
"""Cause → slope of −ΔE over the work; 1 where all is well."""


class EnergyUnits:
    """Looks at energies, and at forces beside them, batch by batch.

    Args:
        energy: Label of the total energy.
        forces: Label of its forces; None: there are none.
    """

    def __init__(self, energy: str, forces: str | None) -> None:
        """Begin with empty sums."""
        self._energy, self._forces = energy, forces
        self._sizes = np.zeros(5)
        """Number, and sums of ln n, ln |E|, (ln n)² and ln n · ln |E|."""
        self._work: list[float] = []
        self._changes: list[float] = []
        self._atoms: list[int] = []

    def add(self, batch: CrystalBatch) -> None:
        """Take in a batch.

        Args:
            batch: Crystals in the order of their file, on the CPU.
        """
        counts = batch.atoms_per_crystal.numpy()
        energies = batch.targets[self._energy].numpy()
        usable = np.isfinite(energies) & (energies != 0)
        size, energy = np.log(counts[usable]), np.log(np.abs(energies[usable]))
        terms = (np.ones_like(size), size, energy, size * size, size * energy)
        self._sizes += [float(np.sum(term)) for term in terms]
        if self._forces is not None and len(self._work) < _MOST_PAIRS:
            self._add_pairs(batch, counts, energies)

    def _add_pairs(
        self, batch: CrystalBatch, counts: NDArray[np.int64], energies: NDArray[np.float64]
    ) -> None:
        """Compare frames that follow one another, of the same atoms in the same cell."""
        ends = counts.cumsum()
        numbers, positions = batch.atomic_numbers.numpy(), batch.positions.numpy()
        cells, forces = batch.cell.numpy(), batch.targets[self._forces or ""].numpy()
        same_cell = (np.abs(cells[1:] - cells[:-1]) < 1e-6).all(axis=(1, 2))
        for second in (np.flatnonzero(same_cell & (counts[1:] == counts[:-1])) + 1).tolist():
            before = slice(ends[second - 1] - counts[second], ends[second - 1])
            after = slice(ends[second] - counts[second], ends[second])
            if not np.array_equal(numbers[before], numbers[after]):
                continue
            steps = positions[after] - positions[before]
            # To the nearest image: between two frames an atom may have been wrapped into the cell.
            if batch.pbc[second].all():
                fractional = steps @ np.linalg.inv(cells[second])
                steps = (fractional - np.round(fractional)) @ cells[second]
            # By the trapezoidal rule, whose error is of third order in the step.
            work = float(((forces[before] + forces[after]) * steps).sum() / 2)
            change = float(energies[second - 1] - energies[second])
            longest = float(np.abs(steps).max())
            if 0 < longest < _LONGEST_STEP and np.isfinite(work) and np.isfinite(change):
                self._work.append(work)
                self._changes.append(change)
                self._atoms.append(int(counts[second]))

    def remarks(self) -> list[str]:
        """Return what looks wrong, each as a sentence with the likely cause; nothing: nothing."""
        return [text for text in (self._growth(), self._slope()) if text]

    def _growth(self) -> str:
        count, size, energy, squares, products = self._sizes
        if count < _FEWEST_CRYSTALS:
            return ""
        spread = squares / count - (size / count) ** 2
        slope = (products / count - size * energy / count**2) / spread if spread > 0 else 1.0
        # Sizes within a factor of two or so cannot tell growth from chemistry.
        if spread < 0.3**2 or slope > 0.3:
            return ""
        return (
            f"{self._energy}: it does not grow with the number of atoms; it looks like eV/atom, or "
            "like energies relative to some reference."
        )

    def _slope(self) -> str:
        if len(self._work) < _FEWEST_PAIRS:
            return ""
        work, change = np.array(self._work), np.array(self._changes)
        norm = float(np.sqrt((work @ work) * (change @ change)))
        correlation = float(work @ change) / norm if norm else 0.0
        if abs(correlation) < _LOWEST_CORRELATION:
            return ""
        slope = float(work @ change) / float(work @ work)
        if slope < 0:
            return (
                f"{self._forces}: energies rise where forces pull, along {len(work):,} steps from "
                "frame to frame; they look like the opposite sign, that of a gradient."
            )
        factors = {**_FACTORS, "the energy looks like eV/atom": 1 / float(np.mean(self._atoms))}
        cause = min(factors, key=lambda name: abs(np.log(slope / factors[name])))
        # About half way, in the logarithm, to the nearest of the wrong units, a factor of 1.9.
        if 0.7 < slope < 1.4 or not 0.7 < slope / factors[cause] < 1.4:
            return ""
        return (
            f"{self._energy}: from frame to frame it changes by {slope:.3g} times the work of the "
            f"forces, along {len(work):,} steps; {cause}."
        )
