"""Barriers between two structures: the nudged elastic band of ASE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import find_mic
from ase.mep import NEB
from ase.optimize import FIRE
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from matsciml_core.errors import ConfigError
from matsciml_core.progress import Meter, Report, silent
from matsciml_util_potential.held import hold_fractions
from matsciml_util_potential.relaxation import relax

_SAME_CELL = 1e-3
"""Difference of two lattice vectors, Å, up to which they count as the same."""
_SAME_PLACE = 0.05
"""Largest shift of an atom, Å, up to which two structures count as the same."""
_NOISE = 0.005
"""Depth, eV, from which a minimum between the ends counts as one."""
_ROUGH = 4.0
"""Force, relative to the one asked for, below which the highest image begins to climb."""


@dataclass(frozen=True, kw_only=True)
class Barrier:
    """A path between two structures, and the barrier on it."""

    formula: str
    images: Sequence[Any]
    """ASE Atoms with energies and forces, in the order of the path."""
    distance: NDArray[Any]
    """Along the path, Å, ``(images,)``: sums of √Σ|Δr|² over the atoms."""
    energies: NDArray[Any]
    """Relative to the first image, eV, ``(images,)``."""
    converged: bool
    ends_converged: bool
    reordered: int
    """Atoms of the second structure that stood in another row than their partner."""
    largest_shift: float
    """Longest way of an atom from end to end, Å."""

    @property
    def saddle(self) -> int:
        """Index of the highest image."""
        return int(np.argmax(self.energies))

    @property
    def forward(self) -> float:
        """From the first structure to the second, eV."""
        return float(self.energies.max() - self.energies[0])

    @property
    def backward(self) -> float:
        """From the second structure to the first, eV."""
        return float(self.energies.max() - self.energies[-1])

    @property
    def notices(self) -> list[str]:
        """What a reader must know before believing the numbers."""
        notices = []
        if not self.converged:
            notices.append(
                "The path was not converged when the steps ran out; allow more steps, or a larger "
                "--fmax."
            )
        if not self.ends_converged:
            notices.append("Forces were left on the structures at the ends; allow more steps.")
        if self.saddle in (0, len(self.energies) - 1):
            notices.append(
                "No image lies above both ends: there is no barrier on this path, or it lies "
                "between two images; take more images."
            )
        inner = self.energies[1:-1]
        valleys = (inner < self.energies[:-2] - _NOISE) & (inner < self.energies[2:] - _NOISE)
        if valleys.any():
            notices.append(
                f"The path passes a minimum at image {int(np.argmax(valleys)) + 1}; compute the "
                "barriers to it and from it on their own."
            )
        return notices


def barrier(
    initial: Any,
    final: Any,
    *,
    images: int = 5,
    match: bool = True,
    relax_ends: bool = True,
    largest_force: float = 0.05,
    steps: int = 500,
    report: Report = silent,
) -> Barrier:
    """Find the path of least energy between two structures, and the barrier on it.

    Atoms move to the nearest periodic image of their partner. The band is relaxed first; then its
    highest image climbs to the saddle point.

    Args:
        initial: ASE Atoms with a calculator, which all images share; left as they are.
        final: ASE Atoms of the same cell; left as they are.
        images: Number of images between the ends.
        match: Whether atoms of the second structure are reordered, so that they lie nearest to
            those of the first; otherwise equal rows belong together.
        relax_ends: Whether both structures are relaxed first, in their cell.
        largest_force: Force across the path that is left, eV/Å.
        steps: Most steps of each relaxation, and of the band.
        report: Receives progress.

    Raises:
        ConfigError: The structures are not of the same atoms and cell, or are the same.
        DataError: The model's energies are not finite.

    References:
        G. Henkelman, H. Jónsson, J. Chem. Phys. 113, 9978 (2000), doi:10.1063/1.1323224;
        climbing image: G. Henkelman, B. P. Uberuaga, H. Jónsson, J. Chem. Phys. 113, 9901 (2000),
        doi:10.1063/1.1329672.
    """
    _require_alike(initial, final)
    if images < 1:
        raise ConfigError("A path needs at least one image between its ends.")
    ends, order = _matched(initial, final, match=match)
    ends_converged = True
    for end in ends:
        end.calc = initial.calc
        if relax_ends:
            ends_converged &= relax(
                end, optimiser="lbfgs", largest_force=largest_force, steps=steps
            ).converged
    shift = float(np.linalg.norm(ends[1].positions - ends[0].positions, axis=1).max())
    if shift < _SAME_PLACE:
        raise ConfigError(
            f"Both structures are the same once they are relaxed (no atom moves {_SAME_PLACE} Å); "
            "there is no path between them."
        )
    band = [ends[0], *(ends[0].copy() for _ in range(images)), ends[1]]
    converged = _relax_band(band, largest_force, steps, report)
    frames = [_evaluated(image, initial.calc) for image in band]
    energies = np.array([frame.get_potential_energy() for frame in frames])
    moves = [np.linalg.norm(b.positions - a.positions) for a, b in pairwise(band)]
    return Barrier(
        formula=initial.get_chemical_formula(),
        images=frames,
        distance=np.concatenate([[0.0], np.cumsum(moves)]),
        energies=energies - energies[0],
        converged=converged,
        ends_converged=ends_converged,
        reordered=int((order != np.arange(len(order))).sum()),
        largest_shift=shift,
    )


def _matched(initial: Any, final: Any, *, match: bool) -> tuple[list[Any], NDArray[Any]]:
    """Return copies whose equal rows belong together, and the order of the second one's atoms."""
    order = _partners(initial, final) if match else np.arange(len(initial))
    if (initial.numbers != final.numbers[order]).any():
        raise ConfigError(
            "The rows of both structures are not of the same elements; leave --keep-order away, so "
            "that atoms are matched."
        )
    return [initial.copy(), _continued(initial, final[order])], order


def _require_alike(initial: Any, final: Any) -> None:
    if initial.get_chemical_formula() != final.get_chemical_formula():
        raise ConfigError(
            f"A path leads between structures of the same atoms, and these are "
            f"{initial.get_chemical_formula()} and {final.get_chemical_formula()}."
        )
    apart = np.abs(initial.cell.array - final.cell.array).max()
    if apart > _SAME_CELL or (initial.pbc != final.pbc).any():
        raise ConfigError(
            f"The cells of both structures differ (by up to {apart:.3g} Å, or in what is "
            "periodic); a path leads through one cell: write both in the same."
        )


def _partners(initial: Any, final: Any) -> NDArray[Any]:
    """Return for each atom of the first structure the row of its partner in the second.

    The sum of squared distances is least, element by element (the Hungarian algorithm).
    """
    order = np.empty(len(initial), dtype=int)
    for number in np.unique(initial.numbers):
        rows, columns = (
            np.flatnonzero(initial.numbers == number),
            np.flatnonzero(final.numbers == number),
        )
        vectors = final.positions[None, columns] - initial.positions[rows, None]
        _, lengths = find_mic(vectors.reshape(-1, 3), initial.cell, initial.pbc)
        first, second = linear_sum_assignment(lengths.reshape(len(rows), -1) ** 2)
        order[rows[first]] = columns[second]
    return order


def _continued(initial: Any, final: Any) -> Any:
    """Return the second structure in the periodic images that are nearest to the first one."""
    shifts, _ = find_mic(final.positions - initial.positions, initial.cell, initial.pbc)
    # Held atoms are those of the first structure; what it holds must not differ in the second.
    moved = initial.copy()
    moved.set_positions(initial.positions + shifts)
    if np.abs(moved.positions - initial.positions - shifts).max() > _SAME_PLACE:
        raise ConfigError(
            "Atoms that the first structure holds in place lie elsewhere in the second; hold only "
            "what stays."
        )
    return moved


def _relax_band(band: Sequence[Any], largest_force: float, steps: int, report: Report) -> bool:
    """Relax a band whose ends have a calculator; return whether it converged."""
    for image in band:
        image.calc = band[0].calc
        hold_fractions(image)
    neb = NEB(band, climb=False, method="improvedtangent", allow_shared_calculator=True)
    # Distances between atoms are interpolated, so that none run into each other. Positions are
    # continuous across the cell's faces already.
    neb.interpolate(method="idpp", apply_constraint=False)
    meter = Meter("band", report, unit="steps", total=None)
    taken = 0
    for climb, force in ((False, _ROUGH * largest_force), (True, largest_force)):
        neb.climb = climb
        # By forces alone: those of a band are not the gradient of any energy.
        motion = FIRE(neb, logfile=None)
        motion.attach(meter.add)
        converged = bool(motion.run(fmax=force, steps=max(1, steps - taken)))
        taken += motion.nsteps
    meter.finish()
    return converged


def _evaluated(image: Any, calculator: Any) -> Any:
    """Return a copy that keeps its energy and forces, whatever the calculator does next."""
    image.calc = calculator
    energy, forces = image.get_potential_energy(), image.get_forces(apply_constraint=False)
    copy = image.copy()
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces.copy())
    return copy
