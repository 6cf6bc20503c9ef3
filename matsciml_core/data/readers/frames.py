"""A record of a user's file: a structure, and everything that was written beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matsciml_core.data.ingestion.conversion import Item, Rejection
from matsciml_core.data.readers.id_hashes import IdHashes
from matsciml_core.data.readers.labels import LabelColumn
from matsciml_core.errors import DataError, MatSciMLError
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
    units: Mapping[str, str] = field(default_factory=dict)
    """Units of values, as ``--label`` takes them (``kbar:vasp``), where the source defines them."""


Record = Frame | Rejection
"""What becomes of a record of a file: a structure with all beside it, or why there is none."""
ID_KEYS = (
    "material_id",
    "id",
    "matpes_id",
    "mat_id",
    "immutable_id",
    "mpid",
    "mp_id",
    "jid",
    "name",
)
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
        """Return the id of a frame.

        Raises:
            DataError: It lacks the value that is the id, or the trajectory.
        """
        for key in (self.column, self.trajectory):
            if key is not None and frame.values.get(key) is None:
                raise DataError(f"The record has no value '{key}', which its id is made of.")
        own = frame.name if self.column is None else str(frame.values[self.column])
        return own if self.trajectory is None else f"{frame.values[self.trajectory]}/{own}"


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
    unused = dict.fromkeys(table or ())
    for frame in frames:
        if isinstance(frame, Rejection):
            yield frame
            continue
        name = frame.name
        try:
            name = naming.name(frame)
            unused.pop(name, None)
            # The table wins: who gives one beside the file knows better than the file.
            values = {**frame.values, **(table or {}).get(name, {})}
            numbers = np.asarray(frame.atomic_numbers)
            read = {
                label.info.name: label.read(values, len(numbers), frame.cell) for label in labels
            }
            yield Crystal(
                id=name,
                atomic_numbers=numbers,
                positions=np.asarray(frame.positions, dtype=np.float64),
                cell=_completed(frame),
                pbc=np.asarray(frame.pbc, dtype=bool),
                labels={key: value for key, value in read.items() if value is not None},
                site_properties=frame.site_properties,
            )
        except MatSciMLError as error:
            yield Rejection.of(name, error)
        except (TypeError, ValueError):  # NumPy's, for nested lists of different lengths or words
            yield Rejection(name, "The positions, cell or elements are no arrays of numbers.")
    for name in unused:
        yield Rejection(name, "The table has a row for it, and the files have no such structure.")


def _completed(frame: Frame) -> NDArray[np.float64]:
    """Return the cell, ``(3, 3)``, Å; a vector of zero length along an open axis is made up.

    A slab may say nothing of the direction in which it is not periodic. Any independent vector
    describes the same structure; one normal to the others, 10 Å longer than the slab is thick, also
    gives it a volume.
    """
    cell = np.array(frame.cell, dtype=np.float64)
    pbc = np.asarray(frame.pbc, dtype=bool)
    if pbc.all():
        return cell
    pbc = np.broadcast_to(pbc, (3,))
    missing = ~cell.any(axis=1) & ~pbc if cell.shape == (3, 3) else np.zeros(3, dtype=bool)
    if missing.any() and pbc.any():
        # Rows of V that belong to singular values of zero are normal to the lattice vectors.
        normals = np.linalg.svd(cell)[2][3 - missing.sum() :]
        spans = np.ptp(np.asarray(frame.positions, dtype=np.float64) @ normals.T, axis=0)
        cell[missing] = normals * (spans + 10.0)[:, None]
    return cell


@dataclass
class Repeats:
    """Ids that came before."""

    count: int = 0
    example: str = ""
    """The first one."""


def with_unique_ids(items: Iterable[Item], repeats: Repeats) -> Iterator[Item]:
    """Give crystals whose id came before an id of their own: ``bulk``, ``bulk#2``, ``bulk#3``.

    Files call many frames alike, with a key such as ``name`` or with their own place in one of
    several files, and a name that nobody declared to be the id must not cost a record.

    Args:
        items: Crystals and rejections.
        repeats: Learns how many crystals got another id.
    """
    seen = IdHashes()
    counts: dict[str, int] = {}
    for item in items:
        if isinstance(item, Crystal) and not seen.add(item.id):
            repeats.count += 1
            repeats.example = repeats.example or item.id
            counts[item.id] = counts.get(item.id, 1) + 1
            while not seen.add(name := f"{item.id}#{counts[item.id]}"):
                counts[item.id] += 1
            yield replace(item, id=name)
        else:
            yield item
