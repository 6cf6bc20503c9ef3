"""Structures as users have them: objects of three kinds, and files of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from matsciml_core.convert import from_ase, from_pymatgen
from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.ingestion.geometry import check_geometry
from matsciml_core.data.readers import Naming, read, to_crystals
from matsciml_core.data.readers.labels import LabelColumn
from matsciml_core.errors import DataError, MatSciMLError, ShapeError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.manager import Registry, build_registry
from matsciml_core.registry.targets import TargetInfo

Item = TypeVar("Item")
_MASSES = LabelColumn(
    info=TargetInfo(name="masses", kind="scalar", unit="u", per_atom=True), column="masses"
)
"""What motion depends on beside the structure; its name is ASE's."""


@dataclass(frozen=True, kw_only=True)
class InputStructure:
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
    """Return a structure of any of the kinds that users have as a crystal.

    Args:
        structure: A ``Crystal``, a pymatgen ``Structure`` or ASE ``Atoms``.

    Raises:
        ShapeError: It is none of them.
        GeometryError: It is no crystal: a site is shared, a coordinate is not finite, …
    """
    if isinstance(structure, Crystal):
        return structure
    # By what they have, so that neither package is imported for objects of the other.
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
        # A single item that is too large still gets a batch, and may or may not fit the memory.
        if batch and (len(batch) >= batch_size or total + size > max_atoms):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch


def read_structures(
    paths: Iterable[Path],
    format: str | None = None,
    registry: Registry | None = None,
    labels: Sequence[LabelColumn] = (),
    options: Mapping[str, Any] | None = None,
) -> Iterator[InputStructure]:
    """Read files one structure at a time; nothing that is wrong with one of them stops the rest.

    Args:
        paths: Files, or folders of files.
        format: Name of the reader; None: by the files' names and content.
        registry: Where readers are looked up; None: all that are installed.
        labels: What of the values beside a structure becomes labels.
        options: Settings of the format, as plain data.

    Yields:
        A record for each structure, and one for what could not be read.
    """
    registry = build_registry() if registry is None else registry
    for path in paths:
        count = 0
        try:
            records = read(path, format, registry=registry, options=options)
            for item in to_crystals(records, labels, Naming()):
                count += 1
                yield _record(path, item)
        except MatSciMLError as error:
            yield InputStructure(path=path, id="", problem=str(error))
        except Exception as error:  # whatever a broken file or plugin raises, the others are read
            problem = f"It cannot be read ({type(error).__name__}: {error})."
            yield InputStructure(path=path, id="", problem=problem)
        else:
            if not count:
                yield InputStructure(path=path, id="", problem="There is no structure in it.")


def read_one(
    path: Path,
    format: str | None = None,
    registry: Registry | None = None,
    options: Mapping[str, Any] | None = None,
) -> Crystal:
    """Read the one structure of a file, with all that its motion depends on.

    Masses become a label ``masses`` ``(atoms,)``, u, and what is held site properties, so that
    :func:`matsciml_core.convert.to_ase` returns atoms that move as the file says.

    Args:
        path: The file.
        format: Name of the reader; None: by the file's name and content.
        registry: Where readers are looked up; None: all that are installed.
        options: Settings of the format, as plain data.

    Raises:
        DataError: There is none, several, or one that cannot be used.
    """
    records: list[InputStructure] = []
    for record in read_structures([path], format, registry, [_MASSES], options):
        records.append(record)
        if len(records) > 1:
            raise DataError(f"'{path}' holds several structures; name a file with one.")
    (only,) = records
    if only.crystal is None:
        raise DataError(f"'{path}' cannot be used: {only.problem}")
    masses = only.crystal.labels.get("masses")
    if masses is not None and np.any(masses <= 0):  # NaN, which is not less, is the element's mass
        raise DataError(f"'{path}' has a mass that is not positive; correct the column 'masses'.")
    return only.crystal


def _record(path: Path, item: Crystal | Rejection) -> InputStructure:
    """Return what a reader made of a structure, checked as an import would check it."""
    if isinstance(item, Rejection):
        return InputStructure(path=path, id=item.id, problem=item.detail or item.reason)
    try:
        check_geometry(item)
    except MatSciMLError as error:
        return InputStructure(path=path, id=item.id, problem=str(error))
    return InputStructure(path=path, id=item.id, crystal=item)
