"""Phonons of a crystal by finite displacements, with phonopy."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.cell import Cell
from ase.dft.kpoints import parse_path_string
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from matsciml_core.errors import ConfigError
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

Array = NDArray[Any]
IMAGINARY = -0.05
"""Frequency, THz, below which a mode counts as imaginary; smaller ones are noise near Γ."""
_PER_ATOM = units.kJ / units.mol
"""kJ/mol in eV."""
_SPACING = 0.015
"""Distance of points along a path, 1/Å."""
_APART = (0.1, 0.02)
"""Differences of two displacements that a reader must know of: THz, and relative to the highest."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A straight part of the path through the Brillouin zone."""

    start: str
    """Name of the first point, ``G`` for Γ."""
    end: str
    q: Array
    """Points, ``(points, 3)``, in reciprocal lattice vectors of the primitive cell."""
    distance: Array
    """Along the path, ``(points,)``, 1/Å, without 2π."""


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Phonons by one length of displacement; negative frequencies stand for imaginary ones."""

    displacement: float
    """Å."""
    bands: Sequence[Array]
    """By segment, ``(points, branches)``, THz."""
    acoustic: float
    """Largest frequency of the three acoustic modes at Γ before the sum rule is enforced, THz."""
    lowest: float
    """Lowest frequency on the mesh, THz."""
    dos: tuple[Array, Array]
    """Frequencies, THz, and states per primitive cell and THz."""
    temperatures: Array
    """K."""
    free_energy: Array
    """Helmholtz energy of the vibrations, without imaginary modes, eV/atom."""
    entropy: Array
    """eV/K/atom."""
    heat_capacity: Array
    """At constant volume, eV/K/atom."""


@dataclass(frozen=True, kw_only=True)
class ImaginaryMode:
    """A mode that lowers the energy, at a point of the path that has a name."""

    point: str
    q: tuple[float, ...]
    branch: int
    """From 1, by rising frequency."""
    frequency: float
    """THz, negative."""


@dataclass(frozen=True, kw_only=True)
class Phonons:
    """Phonons of one crystal by one or several lengths of displacement."""

    formula: str
    num_atoms: int
    """Of the primitive cell."""
    supercell: Cells
    supercell_atoms: int
    num_displacements: int
    """Supercells for each length of displacement."""
    largest_force: float
    """In the crystal without displacements, eV/Å."""
    relaxed: bool
    """Whether no more force was left than allowed; true where nothing was to be relaxed."""
    path: Sequence[Segment]
    spectra: Sequence[Spectrum]
    """By rising displacement; the last one is what counts."""

    @property
    def main(self) -> Spectrum:
        """The spectrum by the largest displacement, which noise and kinks affect least."""
        return self.spectra[-1]

    @property
    def differences(self) -> Array:
        """Largest difference of each spectrum to the main one along the path, THz."""
        main = np.concatenate(self.main.bands)
        return np.array([np.abs(np.concatenate(one.bands) - main).max() for one in self.spectra])

    @property
    def imaginary(self) -> list[ImaginaryMode]:
        """Imaginary modes at named points, the lowest first."""
        modes = {}
        for segment, bands in zip(self.path, self.main.bands, strict=True):
            for name, row in ((segment.start, 0), (segment.end, -1)):
                for branch, frequency in enumerate(bands[row], start=1):
                    if frequency < IMAGINARY:
                        modes[name, branch] = ImaginaryMode(
                            point=name,
                            q=tuple(np.round(segment.q[row], 6).tolist()),
                            branch=branch,
                            frequency=float(frequency),
                        )
        return sorted(modes.values(), key=lambda mode: mode.frequency)

    @property
    def notices(self) -> list[str]:
        """What a reader must know before believing the numbers."""
        notices = []
        highest = float(np.concatenate(self.main.bands).max())
        apart = float(self.differences.max())
        if apart > max(_APART[0], _APART[1] * highest):
            lengths = ", ".join(f"{one.displacement:g}" for one in self.spectra)
            notices.append(
                f"Displacements of {lengths} Å give frequencies that differ by up to {apart:z.2f} "
                "THz: the forces are not smooth, or not harmonic, on that scale. Believe what "
                "does not change with the displacement."
            )
        lowest = min(self.main.lowest, *(float(bands.min()) for bands in self.main.bands))
        if lowest < IMAGINARY:
            names = ", ".join(dict.fromkeys(mode.point for mode in self.imaginary))
            where = f" at {names}" if names else ""
            notices.append(
                f"There are imaginary modes{where}, down to {lowest:z.2f} THz: the crystal is no "
                "minimum of this model, and free energies leave these modes out."
            )
        if not self.relaxed:
            notices.append(
                f"Forces of up to {self.largest_force:.2g} eV/Å are left in the crystal; allow "
                "more steps."
            )
        return notices


def phonons(
    atoms: Any,
    *,
    displacements: Sequence[float] = (0.01, 0.03),
    supercell: Cells | None = None,
    length: float = 10.0,
    relaxed: Relaxed = "full",
    largest_force: float = 1e-4,
    steps: int = 500,
    mesh: float = 60.0,
    temperatures: Sequence[float] = tuple(range(0, 1001, 50)),
    symprec: float = 1e-3,
    report: Report = silent,
) -> tuple[Phonons, list[Phonopy]]:
    """Compute phonons of a crystal by displacing its atoms.

    Args:
        atoms: ASE Atoms with a calculator; they are left as they are.
        displacements: Lengths, Å. Several show whether forces follow small displacements.
        supercell: Cells along each axis; None: as many as ``length`` takes.
        length: Least height of the supercell along each axis, Å.
        relaxed: What is relaxed before: nothing, the ``atoms``, or the ``full`` cell with them.
        largest_force: Force that is left in the relaxation, eV/Å.
        steps: Most steps of the relaxation.
        mesh: Density of q points for the density of states: their number along an axis times the
            length of the lattice vector, Å.
        temperatures: Of the free energy, K.
        symprec: Tolerance of the search for symmetry, Å.
        report: Receives progress.

    Returns:
        The phonons, and for each displacement phonopy's object with the force constants.

    Raises:
        ConfigError: The atoms are no crystal, some are held, or a setting is out of range.
        DataError: The model's forces are not finite.
    """
    require_crystal(atoms, "A phonon")
    require_free_atoms(atoms, "A phonon")
    if not displacements or min(displacements) <= 0 or max(displacements) > 1:
        raise ConfigError("Displacements lie between 0 and 1 Å; 0.01 and 0.03 suit most.")
    crystal = deformed(atoms, np.eye(3))
    if crystal.cell.handedness < 0:
        # The same lattice; phonopy and the standard paths want vectors of a right hand.
        crystal.set_cell(-crystal.cell.array, scale_atoms=False)
    converged = relax_crystal(crystal, relaxed, largest_force=largest_force, steps=steps)
    cells = supercell or cells_for(crystal, length)
    objects = [_displaced(crystal, cells, float(one), symprec) for one in sorted(displacements)]
    count = len(objects[0].supercells_with_displacements)
    meter = Meter("displacements", report, unit="displacements", total=count * len(objects))
    path = _path(objects[0].primitive.cell)
    spectra = [
        _spectrum(one, atoms.calc, length, path, mesh, temperatures, meter)
        for one, length in zip(objects, sorted(displacements), strict=True)
    ]
    meter.finish()
    result = Phonons(
        formula=crystal.get_chemical_formula(),
        num_atoms=len(objects[0].primitive),
        supercell=cells,
        supercell_atoms=len(objects[0].supercell),
        num_displacements=count,
        largest_force=float(np.linalg.norm(crystal.get_forces(), axis=1).max()),
        relaxed=converged,
        path=path,
        spectra=spectra,
    )
    return result, objects


def _displaced(crystal: Any, cells: Cells, displacement: float, symprec: float) -> Phonopy:
    unit = PhonopyAtoms(
        symbols=crystal.get_chemical_symbols(),
        cell=crystal.cell.array,
        scaled_positions=crystal.get_scaled_positions(),
        masses=crystal.get_masses(),
    )
    with warnings.catch_warnings():
        # The primitive cell is what is asked for; phonopy warns that its default was another once.
        warnings.filterwarnings("ignore", "primitive_matrix defaulted to")
        phonopy = Phonopy(
            unit,
            np.diag(cells),
            primitive_matrix=np.eye(3) if _has_isotopes(unit) else "auto",
            symprec=symprec,
        )
    phonopy.generate_displacements(distance=displacement)
    return phonopy


def _has_isotopes(cell: PhonopyAtoms) -> bool:
    """Return whether an element of a cell has several masses.

    phonopy 4.10 looks for symmetry without masses: its primitive cell folds isotopes into one atom
    with the mass of the first, and its mesh counts q points as equal that differ by masses.
    """
    isotopes = set(zip(cell.symbols, cell.masses.round(6).tolist(), strict=True))
    return len(isotopes) > len(set(cell.symbols))


def _path(cell: Array) -> list[Segment]:
    """Return the standard path of the Bravais lattice (Setyawan and Curtarolo, by ASE)."""
    standard = Cell(cell).bandpath(npoints=0)
    reciprocal = np.linalg.inv(cell).T
    segments, walked = [], 0.0
    for part in parse_path_string(standard.path):
        for start, end in pairwise(part):
            first, last = standard.special_points[start], standard.special_points[end]
            distance = float(np.linalg.norm((last - first) @ reciprocal))
            share = np.linspace(0, 1, max(2, round(distance / _SPACING) + 1))
            segments.append(
                Segment(
                    start=start,
                    end=end,
                    q=first + share[:, None] * (last - first),
                    distance=walked + share * distance,
                )
            )
            walked += distance
    return segments


def _spectrum(
    phonopy: Phonopy,
    calculator: Any,
    displacement: float,
    path: Sequence[Segment],
    mesh: float,
    temperatures: Sequence[float],
    meter: Meter,
) -> Spectrum:
    forces = []
    for displaced in phonopy.supercells_with_displacements:
        atoms = Atoms(
            displaced.symbols, cell=displaced.cell, positions=displaced.positions, pbc=True
        )
        atoms.calc = calculator
        forces.append(atoms.get_forces())
        meter.add()
    phonopy.forces = np.array(forces)
    phonopy.produce_force_constants(show_drift=False)
    phonopy.run_qpoints([[0, 0, 0]])
    # Before the sum rule is enforced: how far the acoustic modes are from zero measures the noise.
    at_gamma = phonopy.qpoints.frequencies[0]
    phonopy.symmetrize_force_constants(show_drift=False)  # translations cost no energy
    phonopy.run_band_structure([segment.q for segment in path])
    phonopy.run_mesh(mesh, is_mesh_symmetry=not _has_isotopes(phonopy.primitive))
    phonopy.run_total_dos()
    dos = phonopy.total_dos
    # The crystal moving as a whole is no vibration; rounding gives it a frequency near zero, whose
    # free energy would be a large negative number.
    phonopy.run_thermal_properties(temperatures=temperatures, exclude_gamma_acoustic=True)
    thermal = phonopy.thermal_properties
    per_atom = _PER_ATOM / len(phonopy.primitive)
    return Spectrum(
        displacement=displacement,
        bands=[np.asarray(part) for part in phonopy.band_structure.frequencies],
        acoustic=float(np.sort(np.abs(at_gamma))[:3].max()),
        lowest=float(phonopy.mesh.frequencies.min()),
        dos=(dos.frequency_points, dos.dos),
        temperatures=thermal.temperatures,
        free_energy=thermal.free_energy * per_atom,
        # phonopy gives these two in J/K/mol.
        entropy=thermal.entropy * per_atom / 1e3,
        heat_capacity=thermal.heat_capacity * per_atom / 1e3,
    )
