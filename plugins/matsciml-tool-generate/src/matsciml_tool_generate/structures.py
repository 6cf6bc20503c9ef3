"""What is to be judged: crystals, and what was meant to be one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers.frames import Frame
from matsciml_core.errors import DataError, ShapeError
from matsciml_core.interfaces.crystal import Crystal

NO_ATOMS = "it has no atoms"
BAD_ELEMENT = "an atomic number is not between 1 and 118"
NOT_FINITE = "a coordinate is infinite or undefined"
NO_VOLUME = "the cell has no volume"
UNREADABLE = "it cannot be read"
MOST_ATOMS = 2000
"""In what is judged: its distances are compared pair by pair."""
TOO_MANY = f"it has more than {MOST_ATOMS:,} atoms"


@dataclass(frozen=True, kw_only=True)
class ParsedStructure:
    """Something that claims to be a crystal."""

    name: str
    atomic_numbers: tuple[int, ...] = ()
    """Of all atoms, as far as they are elements at all."""
    crystal: Crystal | None = None
    """None: it is no crystal."""
    fault: str = ""
    """Why it is no crystal, in the same words for all that have the same fault."""
    labels: Mapping[str, float] = field(default_factory=dict)
    """Numbers that came with it, one per crystal."""

    @classmethod
    def from_crystal(cls, crystal: Crystal) -> Self:
        """Wrap a sound crystal."""
        numbers = tuple(int(number) for number in crystal.atomic_numbers)
        return cls(
            name=crystal.id,
            atomic_numbers=numbers,
            crystal=crystal,
            labels=_numbers(crystal.labels),
        )

    @classmethod
    def from_record(cls, record: Frame | Rejection) -> Self:
        """Make a candidate of what a reader found, whatever that is."""
        if isinstance(record, Rejection):
            return cls(name=record.id, fault=UNREADABLE)
        return cls.from_arrays(
            record.name,
            record.atomic_numbers,
            record.positions,
            record.cell,
            labels=_numbers(record.values),
        )

    @classmethod
    def from_arrays(
        cls,
        name: str,
        atomic_numbers: ArrayLike,
        positions: ArrayLike,
        cell: ArrayLike,
        labels: Mapping[str, float] | None = None,
    ) -> Self:
        """Make a candidate of raw numbers; nothing that they hold raises.

        Args:
            name: What it is called.
            atomic_numbers: ``(atoms,)``.
            positions: Cartesian, ``(atoms, 3)``, Å.
            cell: Lattice vectors as rows, ``(3, 3)``, Å.
            labels: Numbers that belong to it.
        """
        known = dict(labels or {})
        numbers, fault = _elements(atomic_numbers)
        fault = fault or _geometry_fault(positions, cell)
        if fault:
            return cls(name=name, atomic_numbers=numbers, fault=fault, labels=known)
        try:
            crystal = Crystal(
                id=name,
                atomic_numbers=np.array(numbers),
                positions=np.asarray(positions, dtype=np.float64),
                cell=np.asarray(cell, dtype=np.float64),
            )
        except (DataError, ShapeError):
            return cls(name=name, atomic_numbers=numbers, fault=UNREADABLE, labels=known)
        return cls(name=name, atomic_numbers=numbers, crystal=crystal, labels=known)


def _elements(values: ArrayLike) -> tuple[tuple[int, ...], str]:
    """Return the atomic numbers, and what is wrong with them; none where one is no element."""
    try:
        found = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        return (), UNREADABLE
    if not len(found):
        return (), NO_ATOMS
    if len(found) > MOST_ATOMS:
        return (), TOO_MANY
    if not np.isfinite(found).all() or found.min() < 1 or found.max() > 118:
        return (), BAD_ELEMENT
    return tuple(int(number) for number in found), ""


def _geometry_fault(positions: ArrayLike, cell: ArrayLike) -> str:
    try:
        places = np.asarray(positions, dtype=np.float64)
        vectors = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError):
        return UNREADABLE
    if not (np.isfinite(places).all() and np.isfinite(vectors).all()):
        return NOT_FINITE
    if vectors.shape != (3, 3) or abs(np.linalg.det(vectors)) < 1e-6:
        return NO_VOLUME
    return ""


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the values that are single finite numbers, or are written like one."""
    found = {}
    for name, value in values.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            found[name] = number
    return found
