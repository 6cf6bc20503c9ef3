"""Reads the four tables of crystals in the source distribution of matminer 0.3.2."""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import math
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Element

from matsciml_core import Crystal
from matsciml_core.data import check_geometry
from matsciml_core.errors import GeometryError

ROOT = "matminer-0.3.2/matminer/datasets"
LARGEST_TABLE = 1 << 25
"""Bytes; the largest of the four has 13 million."""
VOLUME_TOLERANCE = 1e-3
"""Relative difference allowed between a cell's volume and the one the table states."""
HULL_TOLERANCE = 1e-8
"""Energies above the hull up to this, eV/atom, are zero within rounding."""
COORDINATE_TOLERANCE = 1e-5
"""Å; difference allowed between a Cartesian position and the same position in fractions."""

csv.field_size_limit(LARGEST_TABLE)


class RejectedRow(ValueError):
    """A row that does not describe a crystal with its labels; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One of the four files, and what to take from it."""

    name: str
    rows: int
    labels: Mapping[str, str]
    """Column by label."""
    unnamed_index: bool = False
    """Whether each row starts with a field that the header does not name."""
    space_group_column: str | None = None

    @property
    def member(self) -> str:
        """Path inside the archive."""
        return f"{ROOT}/{self.name}.csv"


TABLES = (
    Table(
        name="flla_2015",
        rows=3938,
        labels={
            "formation_energy_per_atom": "formation_energy_per_atom",
            "energy_above_hull": "e_above_hull",
        },
    ),
    Table(
        name="dielectric_constant",
        rows=1056,
        labels={
            "band_gap": "band_gap",
            "refractive_index": "n",
            "dielectric_constant_electronic": "poly_electronic",
            "dielectric_constant_total": "poly_total",
        },
        unnamed_index=True,
        space_group_column="space_group",
    ),
    Table(
        name="elastic_tensor",
        rows=1181,
        labels={
            "bulk_modulus_vrh": "K_VRH",
            "shear_modulus_vrh": "G_VRH",
            "poisson_ratio": "poisson_ratio",
        },
        space_group_column="space_group",
    ),
    Table(
        name="piezoelectric_tensor",
        rows=941,
        labels={"piezoelectric_modulus": "eij_max"},
        unnamed_index=True,
        space_group_column="space_group",
    ),
)
"""In order of precedence: where several hold the same id, the first one's structure is stored."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A crystal as one table has it."""

    table: str
    crystal: Crystal
    fractional: NDArray[np.float64]
    """``(atoms, 3)``, dimensionless, for the symmetry search."""
    composition: str
    """Reduced formula."""
    reported_space_group: int | None

    @property
    def volume_per_atom(self) -> float:
        """Å³."""
        return self.crystal.volume / self.crystal.num_atoms


@dataclass(kw_only=True)
class Reading:
    """What was found in a table."""

    sha256: str
    entries: list[Entry] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)


def read_tables(sdist: Path) -> dict[str, Reading]:
    """Read the four tables without unpacking anything else, or anything to disk.

    Args:
        sdist: The ``.tar.gz``.

    Returns:
        The readings by table, in order of precedence.
    """
    readings = {}
    with tarfile.open(sdist, "r:gz") as archive:
        for table in TABLES:
            member = archive.getmember(table.member)
            handle = archive.extractfile(member)
            if handle is None or member.size > LARGEST_TABLE:
                raise SystemExit(f"'{table.member}' is not the file it should be.")
            readings[table.name] = read_table(table, handle.read())
    return readings


def read_table(table: Table, data: bytes) -> Reading:
    """Read one table; rows that are no crystals are listed, not lost."""
    reading = Reading(sha256=hashlib.sha256(data).hexdigest())
    for row in _rows(table, data.decode("utf-8")):
        try:
            reading.entries.append(_entry(table, row))
        except (RejectedRow, GeometryError) as error:
            reading.rejected.append(
                {"table": table.name, "id": row["material_id"], "reason": str(error)}
            )
    found = len(reading.entries) + len(reading.rejected)
    if found != table.rows:
        raise SystemExit(f"'{table.name}' has {found} rows; {table.rows} were expected.")
    return reading


def _rows(table: Table, text: str) -> Iterator[dict[str, str]]:
    """Yield the rows by column; the first line is a citation and not part of the table."""
    citation, _, body = text.partition("\n")
    if not citation.startswith("# ref:"):
        raise SystemExit(f"'{table.name}' does not begin with its citation.")
    reader = csv.reader(io.StringIO(body, newline=""))
    header = next(reader)
    first = 1 if table.unnamed_index else 0
    for row in reader:
        yield dict(zip(header, row[first:], strict=True))


def _entry(table: Table, row: Mapping[str, str]) -> Entry:
    sites = _from_literal(row) if table.name == "flla_2015" else _from_poscar(row)
    crystal = Crystal(
        id=row["material_id"],
        atomic_numbers=np.array([Element(symbol).Z for symbol in sites.symbols]),
        positions=sites.positions,
        cell=sites.cell,
        labels=_labels(table, row),
    )
    composition = Composition(Counter(sites.symbols)).reduced_formula
    _check(crystal, composition, row)
    column = table.space_group_column
    return Entry(
        table=table.name,
        crystal=crystal,
        fractional=sites.fractional,
        composition=composition,
        reported_space_group=None if column is None else int(float(row[column])),
    )


class _Sites(NamedTuple):
    symbols: Sequence[str]
    fractional: NDArray[np.float64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]


def _from_literal(row: Mapping[str, str]) -> _Sites:
    """Read a structure written as a Python literal; literals cannot execute code."""
    structure = ast.literal_eval(row["structure"])
    sites = structure["sites"]
    if any(len(site["species"]) != 1 or site["species"][0]["occu"] != 1 for site in sites):
        raise RejectedRow("a site is shared by several elements or partly occupied")
    symbols = [site["species"][0]["element"] for site in sites]
    cell = np.array(structure["lattice"]["matrix"], dtype=np.float64)
    fractional = np.array([site["abc"] for site in sites], dtype=np.float64)
    positions = np.array([site["xyz"] for site in sites], dtype=np.float64)
    if np.abs(_cartesian(fractional, cell) - positions).max() > COORDINATE_TOLERANCE:
        raise RejectedRow("Cartesian and fractional coordinates contradict each other")
    return _Sites(symbols, fractional, positions, cell)


def _from_poscar(row: Mapping[str, str]) -> _Sites:
    """Read a VASP 5 POSCAR with fractional coordinates and a symbol after each of them."""
    lines = row["poscar"].strip().splitlines()
    pairs = zip(lines[5].split(), lines[6].split(), strict=True)
    symbols = [symbol for symbol, count in pairs for _ in range(int(count))]
    sites = [line.split() for line in lines[8:]]
    if lines[7].strip() != "direct" or [site[3] for site in sites] != symbols:
        raise RejectedRow("the POSCAR is not in fractional coordinates, or its symbols disagree")
    cell = float(lines[1]) * np.array([line.split() for line in lines[2:5]], dtype=np.float64)
    fractional = np.array([site[:3] for site in sites], dtype=np.float64)
    return _Sites(symbols, fractional, _cartesian(fractional, cell), cell)


def _cartesian(fractional: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return fractional @ cell, term by term: a BLAS would round differently on each machine."""
    a, b, c = (fractional[:, k : k + 1] * cell[k] for k in range(3))
    return a + b + c


def _check(crystal: Crystal, composition: str, row: Mapping[str, str]) -> None:
    """Compare the crystal with what its row says of it, and check its geometry."""
    if crystal.num_atoms != int(float(row["nsites"])):
        raise RejectedRow(f"{crystal.num_atoms} atoms, but nsites says {row['nsites']}")
    written = row["formula"]
    formula = ast.literal_eval(written) if written.startswith("{") else written
    if Composition(formula).reduced_formula != composition:
        raise RejectedRow(f"the structure is {composition}, but formula says {written}")
    stated = float(row["volume"]) if "volume" in row else crystal.volume
    if abs(crystal.volume / stated - 1) > VOLUME_TOLERANCE:
        raise RejectedRow(f"the volume is {crystal.volume:.3f} Å³, but the table says {stated}")
    check_geometry(crystal)


def _labels(table: Table, row: Mapping[str, str]) -> dict[str, float]:
    labels = {name: float(row[column]) for name, column in table.labels.items()}
    bad = [name for name, value in labels.items() if not math.isfinite(value)]
    if bad:
        raise RejectedRow(f"the label {bad[0]} is not a finite number")
    if "energy_above_hull" in labels:
        labels["is_stable"] = float(labels["energy_above_hull"] <= HULL_TOLERANCE)
    return labels
