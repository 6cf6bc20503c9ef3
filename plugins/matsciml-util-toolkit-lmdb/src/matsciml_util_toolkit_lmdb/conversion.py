"""LMDB files of the Open MatSciML Toolkit as something that can be ingested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from matsciml_core import DatasetSpec, TargetInfo
from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import (
    Conversion,
    Item,
    Source,
    fingerprint_of,
    reason_of,
)
from matsciml_core.errors import MatSciMLError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_util_toolkit_lmdb.records import count_records, lmdb_files, read_records

Result = TypeVar("Result")


def record_source(
    path: Path, read: Callable[[str, Any], Result], *, inert: Sequence[str] = ()
) -> Callable[[int], Iterator[Result]]:
    """Return a function that yields what is read of the records, from an index on.

    Args:
        path: An LMDB file, or a folder of them; its pickles are read as plain data only.
        read: Takes a key and its record.
        inert: Packages whose objects become inert records, see ``load_plain``.

    Raises:
        DataError: It is no LMDB.
    """
    files = lmdb_files(path)
    return lambda start: (
        read(key, record) for key, record in read_records(files, start=start, inert=inert)
    )


def reject_unusable(read: Callable[[str, Any], Item]) -> Callable[[str, Any], Item]:
    """Let a reader of records answer those that it fails on with a rejection.

    Args:
        read: Takes a key and its record, and may raise whatever a record that is not as it should
            be leads to.
    """

    @wraps(read)
    def guarded(key: str, record: Any) -> Item:
        try:
            return read(key, record)
        except MatSciMLError as error:
            return Rejection(key, reason_of(error))
        except (KeyError, TypeError, AttributeError, ValueError, IndexError):
            return Rejection(key, "The record is incomplete.")

    return guarded


def padded_key(key: str) -> str:
    """Return a key with leading zeros, so that crystals named after it sort as they are stored.

    >>> padded_key("12"), padded_key("train/12")
    ('000012', 'train/000012')
    """
    folder, separator, number = key.rpartition("/")
    return f"{folder}{separator}{int(number):06d}"


def toolkit_conversion(
    path: Path,
    source: Source,
    spec: DatasetSpec,
    *,
    title: str,
    targets: Sequence[TargetInfo] | None = None,
    release: str = "",
) -> Conversion:
    """Return an LMDB file, or a folder of them, as something that can be ingested.

    Args:
        path: The file or folder.
        source: Yields its records; :func:`record_source` makes one.
        spec: The dataset that it belongs to.
        title: What the records are, for people.
        targets: The labels that the source yields; None: those that the dataset declares.
        release: What to say of the data behind the file's name.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    name = f"toolkit LMDB '{path.name}'"
    return Conversion(
        source=source,
        targets=spec.targets if targets is None else targets,
        provenance=Provenance.from_spec(spec, f"{name}, {release}" if release else name),
        fingerprint=fingerprint_of([path]),
        summary=f"{title} from the toolkit's '{path.name}'.",
        total=count_records(lmdb_files(path)),
    )
