"""What an entry of the archive says, in Å and eV.

The archive is in SI units throughout. Its layer ``results`` is the stable one; energies are in
``run``, or in ``data`` where one of the newer parsers read the calculation. Any value may be a
reference into the same archive, such as ``/run/0/calculation/0/…``, and what one entry has as a
section another has as a list of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data import Rejection
from matsciml_core.data.readers.structures import numbers_of_sites
from matsciml_core.data.splits.grouping import reduced_composition
from matsciml_core.interfaces.elements import atomic_number

ELECTRONVOLT = 1.602176634e-19
"""J; exact since 2019."""
ANGSTROM = 1e-10
"""m."""
_FOLLOWED = 8
"""References to references that are followed at most."""
_PART = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True, kw_only=True)
class Calculation:
    """A crystal and what was computed for it."""

    id: str
    method: str | None
    """Everything that must be equal for energies to be comparable; None: not known."""
    atomic_numbers: NDArray[np.uint8]
    """``(atoms,)``."""
    positions: NDArray[np.float64]
    """Cartesian, ``(atoms, 3)``, Å."""
    cell: NDArray[np.float64]
    """Lattice vectors as rows, ``(3, 3)``, Å."""
    energy: float | None
    """Total energy of the cell, eV."""
    band_gap: float | None
    """eV."""
    fermi_energy: float | None
    """eV."""
    space_group: int | None
    """International number."""

    @property
    def composition(self) -> str:
        """Reduced composition."""
        return reduced_composition(self.atomic_numbers)


def read_entry(entry: Mapping[str, Any]) -> Calculation | Rejection:
    """Return an entry of the interface's answer, or why it can't be used.

    Args:
        entry: The entry, in SI units.
    """
    name = f"nomad-{entry.get('entry_id')}"
    archive = entry.get("archive")
    if not isinstance(archive, Mapping) or not isinstance(archive.get("results"), Mapping):
        return Rejection(name, "The entry has no archive.")
    # A calculation that was stopped may end without an energy; an earlier step has one then.
    energies = (energy for energy in _energies(archive) if electronvolts(energy) is not None)
    return read_results(name, archive["results"], next(energies, None), archive)


def read_results(
    name: str, results: Mapping[str, Any], energy: Any, archive: Mapping[str, Any]
) -> Calculation | Rejection:
    """Return what the layer ``results`` says, or why it can't be used.

    Args:
        name: Id of the crystal.
        results: The layer.
        energy: Total energy of the cell, J, or anything else where it is not known.
        archive: What references point into.
    """
    look = Lookup(archive)
    structure = look.at(results, "properties", "structures", "structure_original")
    if not isinstance(structure, Mapping):
        return Rejection(name, "The entry has no structure.")
    if list(structure.get("dimension_types") or (1, 1, 1)) != [1, 1, 1]:
        return Rejection(name, "The structure is not periodic in three directions.")
    numbers = numbers_of_sites(structure.get("species_at_sites"), structure.get("species"))
    if numbers is None:
        return Rejection(name, "A site holds several species, a vacancy, or none known.")
    formula = look.at(results, "material", "chemical_formula_hill")
    if isinstance(formula, str) and not _is_formula_of(formula, numbers):
        return Rejection(name, "The structure is not of the composition that the entry states.")
    try:
        positions = np.array(structure["cartesian_site_positions"], dtype=np.float64) / ANGSTROM
        cell = np.array(structure["lattice_vectors"], dtype=np.float64) / ANGSTROM
    except (KeyError, TypeError, ValueError):
        return Rejection(name, "The structure is incomplete.")
    if positions.shape != (len(numbers), 3) or cell.shape != (3, 3):
        return Rejection(name, "The structure is incomplete.")
    bands = look.last(look.at(results, "properties", "electronic", "band_structure_electronic"))
    channels = bands.get("band_gap") or look.at(results, "properties", "electronic", "band_gap")
    group = look.at(results, "material", "symmetry", "space_group_number")
    return Calculation(
        id=name,
        method=method_of(look.at(results, "method", "simulation")),
        atomic_numbers=np.array(numbers, dtype=np.uint8),
        positions=positions,
        cell=cell,
        energy=electronvolts(energy),
        band_gap=band_gap(look.all(channels)),
        fermi_energy=electronvolts(look.follow(bands.get("energy_fermi"))),
        space_group=group if isinstance(group, int) and 1 <= group <= 230 else None,
    )


def method_of(simulation: Any) -> str | None:
    """Return everything that must be equal for total energies to be comparable.

    Args:
        simulation: Section ``results.method.simulation``.

    Returns:
        Code, functionals, basis, treatment of the core, relativity and +U, as one text; None
        where the code or the functional is not known.
    """
    if not isinstance(simulation, Mapping) or not simulation.get("program_name"):
        return None
    details = simulation.get("dft")
    details = details if isinstance(details, Mapping) else {}
    functionals = details.get("xc_functional_names")
    if not functionals:
        return None
    parts = [
        simulation["program_name"],
        "+".join(sorted(functionals)),
        details.get("basis_set_type"),
        details.get("core_electron_treatment"),
        details.get("relativity_method"),
        "+U" if details.get("hubbard_kanamori_model") else "",
    ]
    return " | ".join(str(part) for part in parts if part)


def band_gap(channels: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the gap of a crystal from those of its spin channels, eV; None: not known.

    It lies between the highest occupied and the lowest free state of all channels. A channel that
    is metallic makes the crystal metallic.

    Args:
        channels: Sections ``band_gap``, in J.
    """
    values = [electronvolts(channel.get("value")) for channel in channels]
    if len(values) == 1 or any(value == 0.0 for value in values):  # 0: that channel is metallic
        return min((value for value in values if value is not None), default=None)
    occupied = [electronvolts(channel.get("energy_highest_occupied")) for channel in channels]
    free = [electronvolts(channel.get("energy_lowest_unoccupied")) for channel in channels]
    highest = [energy for energy in occupied if energy is not None]
    lowest = [energy for energy in free if energy is not None]
    if not channels or len(highest) < len(channels) or len(lowest) < len(channels):
        return None
    return max(0.0, min(lowest) - max(highest))  # channels that overlap make a metal


def electronvolts(value: Any) -> float | None:
    """Return an energy in eV; None where the value is no finite number.

    Args:
        value: J.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        return None
    return value / ELECTRONVOLT


class Lookup:
    """Follows references within an archive.

    Args:
        archive: The archive.
    """

    def __init__(self, archive: Mapping[str, Any]) -> None:
        """Keep the archive."""
        self._archive = archive

    def follow(self, value: Any) -> Any:
        """Return what a value refers to; itself where it is none, None where that is not there."""
        for _ in range(_FOLLOWED):
            if not isinstance(value, str) or not value.startswith(("/", "#/", "../")):
                return value
            value = self._find(value)
        return None

    def at(self, section: Any, *path: str) -> Any:
        """Return what lies under a path of names, None where it ends."""
        for name in path:
            section = section.get(name) if isinstance(section, Mapping) else None
            section = self.follow(section)
        return section

    def all(self, value: Any) -> list[Mapping[str, Any]]:
        """Return the sections that a value holds: a section, a list of them, or references."""
        followed = self.follow(value)
        values = followed if isinstance(followed, list) else [followed]
        return [section for section in map(self.follow, values) if isinstance(section, Mapping)]

    def last(self, value: Any) -> Mapping[str, Any]:
        """Return the last one of the sections that a value holds; an empty one without any."""
        return next(reversed(self.all(value)), {})

    def _find(self, reference: str) -> Any:
        if reference.startswith("../"):
            return None  # it leads into another entry
        section: Any = self._archive
        for name in reference.removeprefix("#").strip("/").split("/"):
            try:
                section = section[int(name)] if isinstance(section, list) else section[name]
            except (KeyError, IndexError, ValueError, TypeError):
                return None
        return section


def _energies(archive: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what may be the total energy, the best candidate first."""
    look = Lookup(archive)
    for run in reversed(look.all(archive.get("run"))):
        for calculation in reversed(look.all(run.get("calculation"))):
            yield look.at(calculation, "energy", "total", "value")
    for simulation in reversed(look.all(archive.get("data"))):
        for outputs in reversed(look.all(simulation.get("outputs"))):
            for total in reversed(look.all(outputs.get("total_energies"))):
                yield look.follow(total.get("value"))


def _is_formula_of(formula: str, numbers: Sequence[int]) -> bool:
    """Return whether atoms are those of a formula, or a multiple of them."""
    stated: Counter[int] = Counter()
    for symbol, count in _PART.findall(formula):
        stated[atomic_number(symbol) or 0] += int(count or 1)
    listed = np.array([number for number in stated.elements() if number], dtype=np.uint8)
    if not listed.size:  # a formula of nothing known contradicts nothing
        return True
    return reduced_composition(listed) == reduced_composition(np.array(numbers, dtype=np.uint8))
