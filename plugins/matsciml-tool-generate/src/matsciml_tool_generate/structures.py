"""Structures as a generator, a file or a dataset holds them: a crystal each, or why it is none."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.readers import Frame
from matsciml_core.errors import DataError, ShapeError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol

NO_ATOMS = "it has no atoms"
BAD_ELEMENT = "an atomic number is not between 1 and 118"
NOT_FINITE = "a coordinate is infinite or undefined"
NO_VOLUME = "the cell has no volume"
UNREADABLE = "it cannot be read"
MAX_ATOMS = 2000
"""Atoms of a structure that is evaluated: distances are computed for all pairs of them."""
TOO_MANY = f"it has more than {MAX_ATOMS:,} atoms"


@dataclass(frozen=True, kw_only=True)
class ParsedStructure:
    """A structure whose numbers have been checked."""

    name: str
    atomic_numbers: tuple[int, ...] = ()
    """Of all atoms; empty where one of them is not an element."""
    crystal: Crystal | None = None
    """None: the structure is not a crystal."""
    fault: str = ""
    """Why it is not, in the same words for all structures with the same fault."""
    labels: Mapping[str, float] = field(default_factory=dict)
    """Numbers that came with the structure, one per crystal."""

    @property
    def formula(self) -> str:
        """Reduced formula; empty where there is no atom."""
        if not self.atomic_numbers:
            return ""
        from pymatgen.core.composition import Composition  # noqa: PLC0415 - heavy

        counts = Counter(symbol(number) for number in self.atomic_numbers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that noble gases have no electronegativity
            return str(Composition(dict(counts)).reduced_formula)

    @classmethod
    def from_crystal(cls, crystal: Crystal) -> Self:
        """Wrap a crystal, with those of its labels that are single numbers."""
        return cls(
            name=crystal.id,
            atomic_numbers=tuple(crystal.atomic_numbers.tolist()),
            crystal=crystal,
            labels=_finite_numbers(crystal.labels),
        )

    @classmethod
    def from_record(cls, record: Frame | Rejection) -> Self:
        """Check a record of a reader, which may already have rejected it."""
        if isinstance(record, Rejection):
            return cls(name=record.id, fault=UNREADABLE)
        return cls.from_arrays(
            record.name,
            record.atomic_numbers,
            record.positions,
            record.cell,
            labels=_finite_numbers(record.values),
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
        """Check raw numbers, which may be anything: a fault is recorded, and none raises.

        Args:
            name: Name of the structure.
            atomic_numbers: ``(atoms,)``, dimensionless.
            positions: Cartesian coordinates, ``(atoms, 3)``, Å.
            cell: Lattice vectors as rows, ``(3, 3)``, Å.
            labels: Numbers that belong to the structure, by name.
        """
        numbers, fault = _elements(atomic_numbers)
        fault = fault or _geometry_fault(positions, cell)
        crystal = None
        if not fault:
            try:
                crystal = Crystal(
                    id=name,
                    atomic_numbers=np.array(numbers),
                    positions=np.asarray(positions, dtype=np.float64),
                    cell=np.asarray(cell, dtype=np.float64),
                )
            except (DataError, ShapeError):  # for example another number of positions than atoms
                fault = UNREADABLE
        return cls(
            name=name,
            atomic_numbers=numbers,
            crystal=crystal,
            fault=fault,
            labels=dict(labels or {}),
        )


def _elements(values: ArrayLike) -> tuple[tuple[int, ...], str]:
    """Return the atomic numbers, none where one is not an element, and what is wrong with them."""
    try:
        # As floats: integers would turn NaN and huge numbers into elements without a word.
        numbers = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        return (), UNREADABLE
    if not len(numbers):
        return (), NO_ATOMS
    if len(numbers) > MAX_ATOMS:
        return (), TOO_MANY
    if not np.isfinite(numbers).all() or numbers.min() < 1 or numbers.max() > 118:
        return (), BAD_ELEMENT
    return tuple(int(number) for number in numbers), ""


def _geometry_fault(positions: ArrayLike, cell: ArrayLike) -> str:
    """Return what is wrong with coordinates that may not even be numbers; empty: nothing."""
    try:
        coordinates = np.asarray(positions, dtype=np.float64)
        vectors = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError):
        return UNREADABLE
    if not (np.isfinite(coordinates).all() and np.isfinite(vectors).all()):
        return NOT_FINITE
    # Å³; below this, fractional coordinates are lost to rounding.
    if vectors.shape != (3, 3) or abs(np.linalg.det(vectors)) < 1e-6:
        return NO_VOLUME
    return ""


def _finite_numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the values that are single finite numbers, or are written like one."""
    numbers = {}
    for name, value in values.items():
        if np.ndim(value):  # NumPy would take an array with one number for a number
            continue
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            numbers[name] = number
    return numbers
