"""Structures as users have them: objects of three kinds, and files of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from matsciml_core.convert import from_ase, from_pymatgen
from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.ingestion.geometry import check_geometry
from matsciml_core.data.readers.formats import detect_format, read_frames
from matsciml_core.data.readers.frames import Frame, Naming, to_crystals
from matsciml_core.errors import DataError, MatSciMLError, ShapeError
from matsciml_core.interfaces.crystal import Crystal

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A structure of a file, or why there is none."""

    path: Path
    """The file, or folder of files."""
    id: str
    """What the structure is called, as well as that can be told."""
    crystal: Crystal | None = None
    """The structure; None: it cannot be used."""
    problem: str = ""
    """Why it cannot be used, in a sentence; empty: it can."""


def as_crystal(structure: Any) -> Crystal:
    """Return a structure of any of the kinds that people have as a crystal.

    Args:
        structure: A ``Crystal``, a pymatgen ``Structure`` or ASE ``Atoms``.

    Raises:
        ShapeError: It is none of them.
        GeometryError: It is no crystal: a site is shared, a coordinate is not finite, …
    """
    if isinstance(structure, Crystal):
        return structure
    if hasattr(structure, "lattice") and hasattr(structure, "sites"):
        return from_pymatgen(structure)
    if hasattr(structure, "get_positions") and hasattr(structure, "pbc"):
        return from_ase(structure)
    hint = ""
    if isinstance(structure, str | Path):
        hint = "; read a file with pymatgen or ASE first, or use matsciml predict"
    raise ShapeError(
        "Structures are Crystals, pymatgen Structures or ASE Atoms, and this is a "
        f"{type(structure).__name__}{hint}."
    )


def is_structure(value: Any) -> bool:
    """Return whether a value is one structure and not several; all of them can be iterated."""
    return isinstance(value, Crystal) or hasattr(value, "lattice") or hasattr(value, "pbc")


def in_batches(
    items: Iterable[Item], atoms: Callable[[Item], int], batch_size: int, max_atoms: int
) -> Iterator[list[Item]]:
    """Cut a stream into batches, without taking more of it than a batch and one.

    Args:
        items: Structures, or what has one.
        atoms: Returns how many atoms an item has.
        batch_size: Most items in a batch.
        max_atoms: Most atoms in a batch; an item with more gets one of its own.
    """
    batch: list[Item] = []
    total = 0
    for item in items:
        size = atoms(item)
        if batch and (len(batch) >= batch_size or total + size > max_atoms):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch


def read_structures(paths: Iterable[Path], form: str | None = None) -> Iterator[Record]:
    """Read files one structure at a time; nothing that is wrong with one of them stops the rest.

    Args:
        paths: Files, or folders of CIF or POSCAR files.
        form: Format; None: by the files' names.

    Yields:
        A record for each structure, and one for what could not be read.
    """
    for path in paths:
        yield from _read(path, form)


def read_one(path: Path, form: str | None = None) -> Crystal:
    """Read the one structure of a file.

    Raises:
        DataError: There is none, several, or one that cannot be used.
    """
    found: list[Record] = []
    for record in read_structures([path], form):
        found.append(record)
        if len(found) > 1:
            raise DataError(f"'{path}' holds several structures; name a file with one.")
    (record,) = found
    if record.crystal is None:
        raise DataError(f"'{path}' cannot be used: {record.problem}")
    return record.crystal


def _read(path: Path, form: str | None) -> Iterator[Record]:
    count = 0
    try:
        for item in to_crystals(_frames(path, form), (), Naming()):
            count += 1
            yield _record(path, item)
    except Exception as error:  # whatever a broken file does to its reader, the others are read
        yield Record(path=path, id="", problem=_problem(error))
    else:
        if not count:
            yield Record(path=path, id="", problem="There is no structure in it.")


def _frames(path: Path, form: str | None) -> Iterator[Frame | Rejection]:
    return read_frames(path, form or detect_format(path))


def _record(path: Path, item: Crystal | Rejection) -> Record:
    if isinstance(item, Rejection):
        return Record(path=path, id=item.id, problem=item.reason)
    try:
        check_geometry(item)
    except MatSciMLError as error:
        return Record(path=path, id=item.id, problem=str(error))
    return Record(path=path, id=item.id, crystal=item)


def _problem(error: Exception) -> str:
    if isinstance(error, MatSciMLError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"It cannot be read ({error.strerror})."
    return f"It cannot be read ({type(error).__name__}: {error})."
