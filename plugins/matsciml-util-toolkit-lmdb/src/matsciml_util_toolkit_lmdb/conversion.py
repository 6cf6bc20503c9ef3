"""LMDB files of other toolkits as something that can be ingested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from matsciml_core.data.ingestion.conversion import Conversion, Source, fingerprint_of
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.targets import TargetInfo
from matsciml_util_toolkit_lmdb.records import count_records, legacy_files, legacy_records

Found = TypeVar("Found")


def read_each(
    path: Path, read: Callable[[str, Any], Found], *, inert: Sequence[str] = ()
) -> Callable[[int], Iterator[Found]]:
    """Return a function that yields what is read of the records from a given one on.

    Args:
        path: An LMDB file, or a folder of them; its pickles are read as plain data only.
        read: Takes a key and its record.
        inert: Packages whose objects become inert records, see ``load_legacy``.

    Raises:
        DataError: It is no LMDB.
    """
    files = legacy_files(path)
    return lambda start: (read(*found) for found in legacy_records(files, start=start, inert=inert))


def padded_key(key: str) -> str:
    """Return a key with leading zeros, so that crystals named after it sort as they are stored.

    >>> padded_key("12"), padded_key("train/12")
    ('000012', 'train/000012')
    """
    folder, separator, number = key.rpartition("/")
    return f"{folder}{separator}{int(number):06d}"


def legacy_conversion(
    path: Path,
    source: Source,
    *,
    title: str,
    targets: Sequence[TargetInfo],
    provenance: Provenance,
) -> Conversion:
    """Return an LMDB file, or a folder of them, as something that can be ingested.

    Args:
        path: The file or folder.
        source: Yields its records; :func:`read_each` makes one.
        title: What the records are, for people.
        targets: The labels that the source finds.
        provenance: Of the data; what it says of the release is put after the file's name.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    release = ", ".join(filter(None, (f"toolkit LMDB '{path.name}'", provenance.release)))
    return Conversion(
        source=source,
        targets=targets,
        provenance=replace(provenance, release=release),
        fingerprint=fingerprint_of([path]),
        summary=f"{title} from the toolkit's '{path.name}'.",
        total=count_records(legacy_files(path)),
    )
