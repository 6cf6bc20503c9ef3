"""Surfaces: what it costs to cut a crystal, against the thickness of the slab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import units

from matsciml_core.convert import from_ase, to_ase, to_pymatgen
from matsciml_core.convert import from_pymatgen as crystal_of
from matsciml_core.errors import ConfigError
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_physics.crystals import (
    Relaxed,
    deformed,
    relax_crystal,
    require_crystal,
    require_free_atoms,
)
from matsciml_util_potential.relaxation import relax

Miller = tuple[int, int, int]
THICKNESSES = (8.0, 12.0, 16.0)
"""Least thicknesses of the slabs, Å, where none are named."""
JOULE = units.J / units.m**2
"""One J/m² in eV/Å²."""
_APART = 0.02
"""Difference of the two thickest slabs, J/m², up to which energies count as converged."""


@dataclass(frozen=True, kw_only=True)
class SlabEnergy:
    """One slab."""

    thickness: float
    """Volume that as many atoms have in the crystal, over the area of one face, Å."""
    num_atoms: int
    area: float
    """Of one face, Å²."""
    energy: float
    """Surface energy after relaxing, J/m²."""
    unrelaxed: float
    """Surface energy of the cut crystal, J/m²."""
    total: float
    """Energy of the relaxed slab, eV."""
    converged: bool
    """Whether no force was left."""
    atoms: Any
    """The relaxed slab, ASE Atoms, periodic in the plane only."""


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A surface: a direction, and where along it the crystal is cut."""

    miller: Miller
    """Of the conventional cell."""
    termination: int
    """Number among the terminations of this direction, from 1, by rising energy."""
    alike: bool
    """Whether both faces of its slabs are the same; else the energy is the mean of both."""
    slabs: Sequence[SlabEnergy]
    """By rising thickness."""

    @property
    def energy(self) -> float:
        """Surface energy of the thickest slab, J/m²."""
        return self.slabs[-1].energy

    @property
    def change(self) -> float | None:
        """By how much the thickest slab differs from the one before, J/m²; None: it is alone."""
        return self.slabs[-1].energy - self.slabs[-2].energy if len(self.slabs) > 1 else None

    @property
    def from_slope(self) -> float | None:
        """Surface energy without the crystal's, J/m²: from a line through energies against atoms.

        None of fewer than three slabs.

        References:
            V. Fiorentini, M. Methfessel, J. Phys.: Condens. Matter 8, 6525 (1996),
            doi:10.1088/0953-8984/8/36/005.
        """
        if len(self.slabs) < 3:
            return None
        # Per area, since a thicker slab may have another primitive cell in the plane.
        atoms = [slab.num_atoms / slab.area for slab in self.slabs]
        energies = [slab.total / slab.area for slab in self.slabs]
        # At no atoms both faces are left.
        return float(np.polynomial.Polynomial.fit(atoms, energies, 1)(0.0) / 2 / JOULE)


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """The surfaces of a crystal."""

    formula: str
    num_atoms: int
    energy: float
    """Of the crystal, eV per atom."""
    relaxed: Relaxed
    crystal_converged: bool
    surfaces: Sequence[Surface]
    """By rising energy."""

    @property
    def notices(self) -> list[str]:
        """What a reader must know before believing the numbers."""
        notices = []
        if not self.crystal_converged:
            notices.append("Forces were left on the crystal; allow more --steps.")
        open_ = sum(not slab.converged for one in self.surfaces for slab in one.slabs)
        if open_:
            notices.append(
                f"On {open_} slabs forces were left when the steps ran out; allow more --steps, or "
                "a larger --fmax."
            )
        for one in self.surfaces:
            if one.change is not None and abs(one.change) > _APART:
                notices.append(
                    f"{name_of(one)} changes by {one.change:+z.3f} J/m² from the last slab but one "
                    "to the last; take thicker ones. Where it keeps growing, the surface is polar."
                )
            if one.energy < 0:
                notices.append(
                    f"{name_of(one)} has a negative energy: the model prefers the slab to the "
                    "crystal, which it then does not describe."
                )
        if any(len(one.slabs) < 2 for one in self.surfaces):
            notices.append("With slabs of one thickness nothing says whether it is large enough.")
        if any(not one.alike for one in self.surfaces):
            notices.append(
                "Some slabs have two different faces; their energy is the mean of both, half of "
                "what it costs to cleave the crystal there."
            )
        return notices


def name_of(surface: Surface) -> str:
    """Return a surface as it is written, such as ``(1 1 -1), termination 2``.

    Args:
        surface: The surface.
    """
    return f"({' '.join(map(str, surface.miller))}), termination {surface.termination}"


def surfaces(
    atoms: Any,
    *,
    millers: Sequence[Miller] | None = None,
    max_index: int = 1,
    thicknesses: Sequence[float] = THICKNESSES,
    vacuum: float = 15.0,
    relaxed: Relaxed = "full",
    largest_force: float = 0.01,
    steps: int = 500,
    report: Report = silent,
) -> Surfaces:
    """Compute the energies of surfaces of a crystal.

    γ = (E(slab) − N ε)/2A with the energy ε per atom of the crystal. Slabs have the composition of
    the crystal. They are periodic in the plane only, and keep its lattice vectors: no stress of a
    slab is ever asked for.

    Args:
        atoms: ASE Atoms with a calculator; they are left as they are.
        millers: Miller indices of the conventional cell; None: all that are distinct by symmetry,
            up to ``max_index``.
        max_index: Largest Miller index.
        thicknesses: Least thicknesses, Å, as many as are to be compared.
        vacuum: Height of the cell above the slab, Å.
        relaxed: What of the crystal is relaxed before: nothing, the ``atoms``, or the ``full``
            cell with them. Atoms of slabs are always relaxed.
        largest_force: Force that is left, eV/Å.
        steps: Most steps of a relaxation.
        report: Receives progress.

    Raises:
        ConfigError: The atoms are no crystal, some are held, or a setting is out of range.
        DataError: The model's energies are not finite.
    """
    require_crystal(atoms, "A surface")
    require_free_atoms(atoms, "A surface")
    _check(millers, thicknesses, vacuum)
    crystal = deformed(atoms, np.eye(3))
    # A tenth of the force: an error of the crystal counts once for every atom of a slab.
    converged = relax_crystal(crystal, relaxed, largest_force=0.1 * largest_force, steps=steps)
    energy = float(crystal.get_potential_energy()) / len(crystal)
    volume = float(crystal.get_volume()) / len(crystal)
    cuts = _cuts(crystal, millers, max_index, sorted(set(thicknesses)), vacuum)
    total = sum(len(slabs) for _, _, slabs in cuts)
    meter = Meter("surfaces", report, unit="slabs", total=total)
    found: dict[Miller, list[tuple[bool, list[SlabEnergy]]]] = {}
    for miller, alike, slabs in cuts:
        computed = []
        for slab in slabs:
            slab.calc = crystal.calc
            computed.append(_energy(slab, energy, volume, largest_force, steps))
            meter.add()
        found.setdefault(miller, []).append((alike, computed))
    meter.finish()
    every = [
        Surface(miller=miller, termination=number, alike=alike, slabs=slabs)
        for miller, cut in found.items()
        for number, (alike, slabs) in enumerate(sorted(cut, key=lambda one: one[1][-1].energy), 1)
    ]
    return Surfaces(
        formula=crystal.get_chemical_formula(),
        num_atoms=len(crystal),
        energy=energy,
        relaxed=relaxed,
        crystal_converged=converged,
        surfaces=sorted(every, key=lambda surface: surface.energy),
    )


def _check(millers: Sequence[Miller] | None, thicknesses: Sequence[float], vacuum: float) -> None:
    for miller in millers or ():
        if not any(miller):
            raise ConfigError("The Miller indices 0,0,0 are no direction; name another --miller.")
    if not thicknesses or not all(0 < one <= 200 for one in thicknesses):
        raise ConfigError("The thickness of a slab must be between 0 and 200 Å.")
    if not 0 < vacuum <= 200:
        raise ConfigError("The vacuum above a slab must be between 0 and 200 Å.")


def _cuts(
    crystal: Any,
    millers: Sequence[Miller] | None,
    max_index: int,
    thicknesses: Sequence[float],
    vacuum: float,
) -> list[tuple[Miller, bool, list[Any]]]:
    """Return direction, whether both faces are alike, and slabs, for every termination."""
    from pymatgen.core.surface import (  # noqa: PLC0415 - slow
        SlabGenerator,
        get_symmetrically_distinct_miller_indices,
    )
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer  # noqa: PLC0415

    structure = to_pymatgen(from_ase(crystal))
    conventional = SpacegroupAnalyzer(structure).get_conventional_standard_structure()
    if millers is None:
        chosen = get_symmetrically_distinct_miller_indices(conventional, max_index)
        # The largest indices first and positive, as they are written: (1 1 0), not (0 -1 -1).
        millers = [_usual(tuple(map(int, miller))) for miller in chosen]
    cuts = []
    for miller in dict.fromkeys(millers):
        generators = [
            SlabGenerator(conventional, miller, thickness, vacuum, center_slab=True)
            for thickness in thicknesses
        ]
        for first in generators[0].get_slabs():
            slabs: dict[int, Any] = {}
            for generator in generators:
                slab = generator.get_slab(shift=first.shift)
                atoms = to_ase(crystal_of(slab))
                atoms.pbc = (True, True, False)
                # Thicknesses are whole layers: two that were asked for may give the same slab.
                slabs.setdefault(round(1e3 * len(atoms) / _area(atoms)), atoms)
            cuts.append((miller, bool(first.is_symmetric()), [slabs[key] for key in sorted(slabs)]))
    return cuts


def _usual(miller: tuple[int, ...]) -> Miller:
    first, second, third = miller
    sign = -1 if sum(index < 0 for index in miller) > sum(index > 0 for index in miller) else 1
    return sign * first, sign * second, sign * third


def _area(atoms: Any) -> float:
    """Return the area of one face, Å²."""
    return float(np.linalg.norm(np.cross(atoms.cell[0], atoms.cell[1])))


def _energy(
    slab: Any, crystal: float, volume: float, largest_force: float, steps: int
) -> SlabEnergy:
    """Relax a slab; energy and volume are those of the crystal per atom, eV and Å³."""
    area = _area(slab)

    def surface_energy() -> float:
        excess = float(slab.get_potential_energy()) - len(slab) * crystal
        return excess / (2 * area) / JOULE

    unrelaxed = surface_energy()
    result = relax(slab, optimiser="lbfgs", largest_force=largest_force, steps=steps)
    return SlabEnergy(
        thickness=len(slab) * volume / area,
        num_atoms=len(slab),
        area=area,
        energy=surface_energy(),
        unrelaxed=unrelaxed,
        total=float(slab.get_potential_energy()),
        converged=result.converged,
        atoms=slab,
    )
