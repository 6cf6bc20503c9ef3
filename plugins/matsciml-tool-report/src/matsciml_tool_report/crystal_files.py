"""What a run folder holds about the crystals that the run was tested on, read.

``crystals-test.csv`` has one line per crystal, ``worst-test.json`` the atoms of those with the
largest errors; :mod:`matsciml_tool_report.describe_crystals` writes both.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import MatSciMLError
from matsciml_core.guarded import parse_json
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.crystal_systems import SPACE_GROUPS
from matsciml_core.interfaces.elements import SYMBOLS

TESTED_CRYSTALS = "crystals-test.csv"
WORST_CRYSTALS = "worst-test.json"
COLUMNS = ("dataset", "id", "species", "space_group", "symmetry")
"""``species``: the atoms in their order, as in ``Na4 Cl4``. ``space_group``: international number;
empty: there is none, or it was not looked for. ``symmetry``: ``STATED`` or ``SEARCHED``, empty
where it was not looked for."""
STATED, SEARCHED = "stated", "searched"
"""Where a space group comes from: stated by the data, or found by a search."""
_WITHOUT = {
    TESTED_CRYSTALS: "errors are not told apart by crystal system and element",
    WORST_CRYSTALS: "the worst crystals have no pictures",
}
_RUN = re.compile(r"([A-Z][a-z]?)([1-9]\d*)?")

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CrystalTable:
    """What is known about the crystals of one dataset.

    Atoms are kept as runs of one element, since the atoms of an element mostly follow each other:
    a crystal then takes a few numbers, however many atoms it has.
    """

    rows: Mapping[str, int]
    """Id of each crystal → its row."""
    space_groups: Integers
    """International numbers, ``(crystals,)``; 0: there is none, −1: it was not looked for."""
    searched: bool
    """Whether the space groups were searched for, not stated by the data."""
    run_crystals: Integers
    """Row of the crystal of each run of atoms, ``(runs,)``, ascending."""
    run_elements: Integers
    """Atomic number of each run, ``(runs,)``."""
    run_lengths: Integers
    """Atoms of each run, ``(runs,)``."""

    def find(self, ids: Sequence[str]) -> Integers:
        """Return the rows of crystals, ``(ids,)``; −1 where one is not in the table."""
        return np.array([self.rows.get(name, -1) for name in ids], dtype=np.int64)

    @property
    def contents(self) -> tuple[Integers, Integers]:
        """Return row and atomic number of each element of each crystal, once, sorted by row."""
        both = np.unique(self.run_crystals * 128 + self.run_elements)  # atomic numbers are < 128
        return both // 128, both % 128

    def species(self, crystals: Integers, atoms: Integers) -> Integers:
        """Return the atomic numbers of atoms, ``(atoms,)``; 0 where a crystal has no such atom.

        Args:
            crystals: Rows of the crystals, ``(atoms,)``, dimensionless.
            atoms: Indices of the atoms within them, ``(atoms,)``, dimensionless.
        """
        sizes = np.bincount(self.run_crystals, self.run_lengths, len(self.rows)).astype(np.int64)
        inside = (crystals >= 0) & (atoms >= 0) & (atoms < sizes[crystals])
        # Atoms are counted through the whole table; the run of an atom is found by its last one.
        position = np.where(inside, (np.cumsum(sizes) - sizes)[crystals] + atoms, 0)
        run = np.searchsorted(np.cumsum(self.run_lengths), position, side="right")
        return np.where(inside, self.run_elements[run], 0)


@dataclass(frozen=True, kw_only=True)
class PicturedCrystal:
    """One of the crystals with the largest errors."""

    crystal: Crystal
    space_group: int | None
    """International number; None: there is none."""


@dataclass(frozen=True, kw_only=True)
class CrystalFiles:
    """What a run folder holds about the crystals that the run was tested on."""

    tables: Mapping[str, CrystalTable] = field(default_factory=dict)
    """By name of the dataset."""
    worst: Mapping[tuple[str, str], PicturedCrystal] = field(default_factory=dict)
    """By dataset and id."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """File name → sentence that says why it could not be used."""


def read_crystals(folder: Path) -> CrystalFiles:
    """Read what a run folder holds about the crystals that the run was tested on."""
    readers = {TESTED_CRYSTALS: _read_tables, WORST_CRYSTALS: _read_worst}
    contents: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, reader in readers.items():
        # Old runs have neither file, and the rest of the report does not need them.
        try:
            contents |= reader((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            problems[name] = (
                f"The run folder has no {name}, so {_WITHOUT[name]}; 'matsciml report' writes it "
                "where the data are."
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError, MatSciMLError) as error:
            detail = " ".join(str(error).split())
            problems[name] = f"{name} could not be read: {detail}."
    return CrystalFiles(problems=problems, **contents)


def read_table(rows: Sequence[Sequence[str]]) -> CrystalTable:
    """Return what lines of ``crystals-test.csv`` say about the crystals of one dataset.

    Args:
        rows: Id, species, space group and symmetry of each crystal.

    Raises:
        ValueError: A line is damaged.
    """
    atoms = [[_run_of_atoms(item) for item in species.split(" ")] for _, species, _, _ in rows]
    runs = np.array([run for some in atoms for run in some], dtype=np.int64).reshape(-1, 2)
    space_groups = [int(group) if group else 0 if origin else -1 for _, _, group, origin in rows]
    if not all(-1 <= group <= SPACE_GROUPS for group in space_groups):
        raise ValueError("a space group is not between 1 and 230")
    return CrystalTable(
        rows={row[0]: index for index, row in enumerate(rows)},
        space_groups=np.array(space_groups, dtype=np.int64),
        searched=all(row[3] != STATED for row in rows),
        run_crystals=np.repeat(np.arange(len(rows)), [len(some) for some in atoms]),
        run_elements=runs[:, 0],
        run_lengths=runs[:, 1],
    )


def _read_tables(text: str) -> dict[str, Any]:
    lines: dict[str, list[list[str]]] = {}
    reader = csv.reader(io.StringIO(text))
    if tuple(next(reader, ())) != COLUMNS:
        raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
    for dataset, *row in reader:
        lines.setdefault(dataset, []).append(row)
    return {"tables": {name: read_table(rows) for name, rows in lines.items()}}


# Of 100,000 crystals there are a few hundred different runs.
@cache
def _run_of_atoms(text: str) -> tuple[int, int]:
    """Return atomic number and number of atoms of ``Na4``, or of ``Na``, which is one atom."""
    match = _RUN.fullmatch(text)
    if match is None or match[1] not in SYMBOLS:
        raise ValueError(f"'{text}' is no element with a number of atoms")
    return SYMBOLS.index(match[1]) + 1, int(match[2] or 1)


def _read_worst(text: str) -> dict[str, Any]:
    worst = {}
    for item in parse_json(text, largest=None):
        names = ("id", "atomic_numbers", "positions", "cell", "pbc")
        crystal = Crystal(**{name: item[name] for name in names})
        group = item["space_group"]
        if group is not None and not 1 <= group <= SPACE_GROUPS:
            raise ValueError("a space group is not between 1 and 230")
        worst[item["dataset"], crystal.id] = PicturedCrystal(crystal=crystal, space_group=group)
    return {"worst": worst}
