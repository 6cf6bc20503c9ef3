"""Datasets as systems of DeePMD-kit, of mixed types: one for each number of atoms.

All frames of a system have the same labels, because DeePMD-kit has no mark of a missing one, and
are either periodic or not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers import Written
from matsciml_core.data.readers.labels import declaration
from matsciml_core.files import open_whole, open_whole_text
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import SYMBOLS
from matsciml_core.registry.targets import TargetInfo
from matsciml_reader_potentials.deepmd import IDS, SITE_PREFIX

_NUMBERS_PER_SET = 2_000_000
"""Coordinates of a set, which are in memory at once for each number of atoms: 16 MB."""

_READ_AS = {"force": "forces"}
"""File → what the reader calls its values, where that differs."""
_UNITS = {"virial": "eV"}


@dataclass
class _System:
    """The system of one number of atoms, one set of labels, and periodic or not."""

    folder: Path
    rows: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    sets: int = 0

    def flush(self) -> None:
        """Write the frames that were gathered as a set."""
        folder = self.folder / f"set.{self.sets:03d}"
        folder.mkdir(parents=True)
        for name, rows in self.rows.items():
            with open_whole(folder / f"{name}.npy") as stream:
                array: NDArray[Any] = np.array(rows)
                np.lib.format.write_array(stream, array, allow_pickle=False)
        self.rows.clear()
        self.sets += 1


def write_crystals(
    crystals: Iterable[Crystal], targets: Mapping[str, TargetInfo], path: Path
) -> Written:
    """Write crystals as frames, those of one number of atoms together.

    Args:
        crystals: The crystals.
        targets: Their labels. Energy in eV, forces in eV/Å and stress are written under
            DeePMD-kit's names, the last as a virial; others under their own.
        path: The folder.
    """
    names = {key: _file_of(info) for key, info in targets.items()}
    systems: dict[tuple[Any, ...], _System] = {}
    lost: Counter[str] = Counter()
    for crystal in crystals:
        periodic = bool(crystal.pbc.any())
        lost["crystals that are not periodic in all directions"] += (
            periodic and not crystal.pbc.all()
        )
        columns = _columns(crystal, targets, names)
        key = (crystal.num_atoms, periodic, *sorted(columns))
        if key not in systems:
            # Called after the number of atoms, as dpdata calls them, and by a count beyond one.
            same = sum(other[0] == crystal.num_atoms for other in systems)
            folder = path / f"{crystal.num_atoms}{f'.{same}' if same else ''}"
            systems[key] = _new_system(folder, crystal.num_atoms, periodic=periodic)
        system = systems[key]
        for name, row in columns.items():
            system.rows[name].append(row)
        if len(system.rows["coord"]) * crystal.num_atoms * 3 >= _NUMBERS_PER_SET:
            system.flush()
    for system in systems.values():
        if system.rows:
            system.flush()
    declared = {
        name: declaration(info, _READ_AS.get(names[name], names[name]), _UNITS.get(names[name], ""))
        for name, info in targets.items()
    }
    remarks = [f"DeePMD-kit does not hold: {n:,} {what}." for what, n in lost.items() if n]
    return Written(labels=declared, remarks=tuple(remarks))


def _file_of(info: TargetInfo) -> str:
    """Return in which file of a set a label stands."""
    own = {"energy": "energy", "forces": "force", "stress": "virial"}
    if info.kind in own and info.kind == info.name:
        return own[info.kind]
    return f"atom_{info.name}" if info.per_atom else f"label_{info.name}"


def _columns(
    crystal: Crystal, targets: Mapping[str, TargetInfo], names: Mapping[str, str]
) -> dict[str, Any]:
    """Return the row of a crystal in each file of a set."""
    columns: dict[str, Any] = {
        "coord": crystal.positions.ravel(),
        "box": crystal.cell.ravel(),
        "real_atom_types": crystal.atomic_numbers.astype(np.int64) - 1,
        IDS: crystal.id,
    }
    for name, value in crystal.labels.items():
        if name in targets:
            number = np.asarray(value, dtype=np.float64).ravel()
            stress = names[name] == "virial"
            columns[names[name]] = -number * crystal.volume if stress else number
    for name, marks in crystal.site_properties.items():
        columns[f"{SITE_PREFIX}{name}"] = marks
    return columns


def _new_system(folder: Path, atoms: int, *, periodic: bool) -> _System:
    folder.mkdir(parents=True)
    with open_whole_text(folder / "type.raw") as stream:
        stream.write("0\n" * atoms)  # the types of the frames count
    with open_whole_text(folder / "type_map.raw") as stream:
        stream.write("\n".join(SYMBOLS) + "\n")  # one map, so that a model can train on all systems
    if not periodic:
        with open_whole_text(folder / "nopbc"):
            pass
    return _System(folder)
