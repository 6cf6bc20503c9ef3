"""A record of a user's file: a structure, and everything that was written beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from matsciml_core.data.ingestion.conversion import Item, Rejection, reason_of
from matsciml_core.data.readers.labels import LabelColumn
from matsciml_core.errors import MatSciMLError
from matsciml_core.interfaces.crystal import Crystal


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One record, before it is decided which of its values are labels."""

    name: str
    """What the file calls it, or its place in the file."""
    atomic_numbers: ArrayLike
    positions: ArrayLike
    """Cartesian, ``(atoms, 3)``, Å."""
    cell: ArrayLike
    """Lattice vectors as rows, ``(3, 3)``, Å."""
    pbc: ArrayLike = (True, True, True)
    values: dict[str, Any] = field(default_factory=dict)
    """Everything else, by name."""
    site_properties: Mapping[str, Any] = field(default_factory=dict)
    """Site properties of the atoms, see :class:`Crystal`."""


Record = Frame | Rejection
"""What becomes of a record of a file: a structure with all beside it, or why there is none."""
ID_KEYS = ("material_id", "id", "mpid", "mp_id", "jid", "name")
"""Keys whose value names a record where the user names none, the first one that is there."""


def name_of(values: Mapping[str, Any], otherwise: str) -> str:
    """Return what a record calls itself.

    Args:
        values: What the file says beside the structure.
        otherwise: Its name where it has none of its own, unique within the file.

    >>> name_of({"name": "rutile", "id": "mp-2657"}, "file-000000")
    'mp-2657'
    """
    for key in ID_KEYS:
        # By its text, because a value may be an array, which has no truth of its own.
        value = values.get(key)
        if value is not None and str(value) != "":
            return str(value)
    return otherwise


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How crystals get their ids."""

    column: str | None = None
    """The value that is the id; None: what the reader proposes."""
    trajectory: str | None = None
    """The value that says which trajectory a frame belongs to; ids become ``<value>/<name>``."""

    def name(self, frame: Frame) -> str:
        """Return the id of a frame."""
        own = frame.name if self.column is None else str(frame.values.get(self.column, frame.name))
        return own if self.trajectory is None else f"{frame.values.get(self.trajectory)}/{own}"


def to_crystals(
    frames: Iterable[Record],
    labels: Sequence[LabelColumn],
    naming: Naming,
    table: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Item]:
    """Turn records into crystals; one item for each record.

    Args:
        frames: The records.
        labels: Which values are labels.
        naming: How crystals get their ids.
        table: Further values by id.
    """
    for frame in frames:
        if isinstance(frame, Rejection):
            yield frame
            continue
        name = naming.name(frame)
        # The table wins: who gives one beside the file knows better than the file.
        values = {**frame.values, **(table or {}).get(name, {})}
        try:
            numbers = np.asarray(frame.atomic_numbers)
            read = {label.info.name: label.read(values, len(numbers)) for label in labels}
            yield Crystal(
                id=name,
                atomic_numbers=numbers,
                positions=np.asarray(frame.positions, dtype=np.float64),
                cell=np.asarray(frame.cell, dtype=np.float64),
                pbc=np.asarray(frame.pbc, dtype=bool),
                labels={key: value for key, value in read.items() if value is not None},
                site_properties=frame.site_properties,
            )
        except MatSciMLError as error:
            yield Rejection(name, reason_of(error))
        except (TypeError, ValueError):  # NumPy's, for nested lists of different lengths or words
            yield Rejection(name, "The positions, cell or elements are no arrays of numbers.")
