"""Vacancies: what it costs to take one atom out of a crystal, against the size of the supercell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matsciml_core.data.symmetry.orbits import find_orbits
from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_physics.crystals import (
    Cells,
    Relaxed,
    cells_for,
    deformed,
    relax_crystal,
    require_crystal,
    require_free_atoms,
)
from matsciml_util_potential.relaxation import relax

LENGTHS = (6.0, 9.0, 12.0)
"""Least heights of the supercells, Å, where none are named."""
_APART = 0.02
"""Difference of the two largest supercells, eV, up to which energies count as converged."""
_LOWER = 0.01
"""Energy, eV, by which a relaxed supercell must be lower to say that the crystal is no minimum."""


@dataclass(frozen=True, kw_only=True)
class VacancyCell:
    """One supercell with a vacancy."""

    cells: Cells
    num_atoms: int
    """Of the supercell before the atom was taken out."""
    difference: float
    """Energy with the vacancy minus that of the perfect supercell, eV."""
    unrelaxed: float
    """The same before atoms relaxed, eV."""
    converged: bool
    """Whether no force was left."""
    atoms: Any
    """The relaxed supercell, ASE Atoms."""


@dataclass(frozen=True, kw_only=True)
class Vacancy:
    """A vacancy on one of the symmetry-distinct sites of a crystal."""

    site: int
    """Row of the site in the crystal, from 0."""
    element: str
    multiplicity: int
    """Equivalent sites in the crystal."""
    potential: float | None
    """Chemical potential of the atom that was taken out, eV; None: not known."""
    supercells: Sequence[VacancyCell]
    """By rising size."""

    @property
    def energies(self) -> list[float] | None:
        """Formation energy in each supercell, eV; None without a chemical potential."""
        if self.potential is None:
            return None
        return [one.difference + self.potential for one in self.supercells]

    @property
    def change(self) -> float | None:
        """By how much the largest supercell differs from the one before, eV; None: it is alone."""
        last = self.supercells[-2:]
        return last[1].difference - last[0].difference if len(last) == 2 else None

    @property
    def infinite(self) -> float | None:
        """Formation energy extrapolated in 1/N from the two largest supercells, eV.

        The strain fields of images interact as the inverse of the volume between them.
        """
        energies, last = self.energies, self.supercells[-2:]
        if energies is None or len(last) < 2:
            return None
        small, large = (one.num_atoms for one in last)
        # E(N) = E(∞) + a/N at two sizes, solved for E(∞).
        return (large * energies[-1] - small * energies[-2]) / (large - small)


@dataclass(frozen=True, kw_only=True)
class Vacancies:
    """The vacancies of a crystal."""

    formula: str
    num_atoms: int
    energy: float
    """Of the perfect crystal, eV."""
    relaxed: Relaxed
    crystal_converged: bool
    gain: float
    """By how much the energy of a perfect supercell fell when its atoms were displaced and
    relaxed, as those around a vacancy are, eV; the largest of all supercells, 0 of a minimum."""
    vacancies: Sequence[Vacancy]

    @property
    def notices(self) -> list[str]:
        """What a reader must know before believing the numbers."""
        notices = []
        if not self.crystal_converged:
            notices.append("Forces were left on the perfect crystal; allow more --steps.")
        if self.gain > _LOWER:
            notices.append(
                f"The perfect crystal is no minimum of the model: displaced by --rattle and "
                f"relaxed, a supercell of it has {self.gain:z.3f} eV less. Energies are relative "
                "to that, and may depend on where the atoms end up."
            )
        open_ = sum(not one.converged for item in self.vacancies for one in item.supercells)
        if open_:
            notices.append(
                f"In {open_} supercells forces were left when the steps ran out; allow more "
                "--steps, or a larger --fmax."
            )
        unknown = sorted({item.element for item in self.vacancies if item.potential is None})
        if unknown:
            notices.append(
                f"The energy of a formation needs the chemical potential of {' and '.join(unknown)}"
                ", which a compound does not have by itself; name a --reference, such as a file of "
                "the element. Until then the energy is that of the vacancy minus the crystal."
            )
        notices += [
            f"The vacancy of {item.element} (site {item.site + 1}) changes by {item.change:+z.3f} "
            "eV from the last supercell but one to the last; take larger ones."
            for item in self.vacancies
            if item.change is not None and abs(item.change) > _APART
        ]
        if any(len(item.supercells) < 2 for item in self.vacancies):
            notices.append("With one supercell nothing says whether it is large enough.")
        return notices


def vacancies(
    atoms: Any,
    *,
    supercells: Sequence[Cells] | None = None,
    elements: Sequence[str] = (),
    potentials: Mapping[str, float] | None = None,
    relaxed: Relaxed = "full",
    rattle: float = 0.01,
    largest_force: float = 0.01,
    steps: int = 500,
    symprec: float = 0.01,
    seed: int = 0,
    report: Report = silent,
) -> Vacancies:
    """Compute the formation energies of the symmetry-distinct neutral vacancies of a crystal.

    E_f = E(N − 1 atoms) − E(N atoms) + μ at the volume of the perfect crystal, where μ is the
    energy per atom of what the atom goes to: of an element the crystal itself, of a compound a
    reference. E(N atoms) is that of the crystal, or of the same supercell displaced and relaxed as
    that with the vacancy is, where that is lower.

    Args:
        atoms: ASE Atoms with a calculator; they are left as they are.
        supercells: Cells along each axis, as many as are to be compared; None: the least that are
            6, 9 and 12 Å high.
        elements: Symbols of the elements whose vacancies are wanted; empty: all.
        potentials: Chemical potentials by symbol, eV per atom.
        relaxed: What of the perfect crystal is relaxed before: nothing, the ``atoms``, or the
            ``full`` cell with them. Around the vacancy atoms are always relaxed.
        rattle: Standard deviation, Å, by which atoms are displaced before they relax, since a
            vacancy may lower its symmetry.
        largest_force: Force that is left, eV/Å.
        steps: Most steps of a relaxation.
        symprec: Tolerance of the search for symmetry, Å.
        seed: Seed of the displacements.
        report: Receives progress.

    Raises:
        ConfigError: The atoms are no crystal, some are held, or a setting is out of range.
        DataError: The model's energies are not finite.
    """
    require_crystal(atoms, "A vacancy")
    require_free_atoms(atoms, "A vacancy")
    symbols = list(dict.fromkeys(atoms.symbols))
    for element in (*elements, *(potentials or {})):
        if element not in symbols:
            raise ConfigError(
                f"The crystal has no {element}.{did_you_mean(element, symbols)} Elements: "
                f"{', '.join(symbols)}."
            )
    crystal = deformed(atoms, np.eye(3))
    # A tenth of the force: in a supercell of 200 atoms an error of the crystal counts 200 times.
    converged = relax_crystal(crystal, relaxed, largest_force=0.1 * largest_force, steps=steps)
    energy = float(crystal.get_potential_energy())
    known = dict(potentials or {})
    if len(symbols) == 1:
        known.setdefault(symbols[0], energy / len(crystal))
    sizes = _sizes(crystal, supercells)
    sites = _sites(crystal, symprec)
    if elements:
        sites = {site: count for site, count in sites.items() if crystal.symbols[site] in elements}
    total = (len(sites) + 1) * len(sizes)
    meter = Meter("vacancies", report, unit="supercells", total=total)

    def relaxed_again(supercell: Any) -> bool:
        # Anew for each, so that no result depends on which other supercells are computed.
        random = np.random.Generator(np.random.PCG64(seed))
        supercell.positions += random.normal(scale=rattle, size=(len(supercell), 3))
        meter.add()
        return relax(
            supercell, optimiser="lbfgs", largest_force=largest_force, steps=steps
        ).converged

    perfect, gain = _perfect_energies(crystal, energy, sizes, relaxed_again)
    found = []
    for site, multiplicity in sites.items():
        cells = [_vacancy(crystal, site, size, perfect[size], relaxed_again) for size in sizes]
        element = str(crystal.symbols[site])
        found.append(
            Vacancy(
                site=site,
                element=element,
                multiplicity=multiplicity,
                potential=known.get(element),
                supercells=cells,
            )
        )
    meter.finish()
    return Vacancies(
        formula=crystal.get_chemical_formula(),
        num_atoms=len(crystal),
        energy=energy,
        relaxed=relaxed,
        crystal_converged=converged,
        gain=gain,
        vacancies=found,
    )


def _sizes(crystal: Any, supercells: Sequence[Cells] | None) -> list[Cells]:
    """Return the supercells by rising size, each once; all have at least two atoms."""
    sizes = supercells or [cells_for(crystal, length) for length in LENGTHS]
    ordered = sorted(set(sizes), key=lambda size: (np.prod(size), size))
    if len(crystal) * np.prod(ordered[0]) < 2:
        raise ConfigError(
            "A supercell of one atom has nothing left without it; take a larger --supercell."
        )
    return ordered


def _perfect_energies(
    crystal: Any, energy: float, sizes: Sequence[Cells], relaxed_again: Callable[[Any], bool]
) -> tuple[dict[Cells, float], float]:
    """Return the energy of each perfect supercell, and the most by which one fell, eV.

    Each is displaced and relaxed as one with a vacancy is: where the crystal is no minimum of the
    model, the vacancy would otherwise be credited with what the crystal around it gains.
    """
    energies, gain = {}, 0.0
    for size in sizes:
        supercell = crystal.repeat(size)
        supercell.calc = crystal.calc
        relaxed_again(supercell)
        whole = energy * int(np.prod(size))
        energies[size] = min(whole, float(supercell.get_potential_energy()))
        gain = max(gain, whole - energies[size])
    return energies, gain


def _sites(crystal: Any, symprec: float) -> dict[int, int]:
    """Return the first of each set of equivalent atoms, and how many these are."""
    orbits = find_orbits(
        crystal.numbers, crystal.positions, crystal.cell.array, crystal.pbc, symprec
    )
    sites, counts = np.unique(orbits.representative, return_counts=True)
    return dict(zip(sites.tolist(), counts.tolist(), strict=True))


def _vacancy(
    crystal: Any,
    site: int,
    size: Cells,
    perfect: float,
    relaxed_again: Callable[[Any], bool],
) -> VacancyCell:
    supercell = crystal.repeat(size)
    supercell.calc = crystal.calc
    number = len(supercell)
    del supercell[site]  # the first cell of a supercell has the rows of the crystal
    unrelaxed = float(supercell.get_potential_energy()) - perfect
    converged = relaxed_again(supercell)
    return VacancyCell(
        cells=size,
        num_atoms=number,
        difference=float(supercell.get_potential_energy()) - perfect,
        unrelaxed=unrelaxed,
        converged=converged,
        atoms=supercell,
    )
