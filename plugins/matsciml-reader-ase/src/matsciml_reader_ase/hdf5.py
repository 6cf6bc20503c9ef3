"""HDF5 files of strangers: nothing outside the file is opened, and nothing larger than it says.

A group may link into another file, and a dataset may keep its numbers in one; a dataset of a few
bytes on disk may announce terabytes that were never written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from matsciml_core.data.limits import unpacked_limit
from matsciml_core.errors import DataError


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Args:
        path: The file.

    Raises:
        DataError: It is no HDF5 file, or was cut off.
    """
    try:
        # Without a lock, which file systems of clusters often lack, and reading does without.
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise DataError(
            f"'{path}' is no whole HDF5 file ({error}); was the program that wrote it killed, or "
            "the download cut off?"
        ) from error
    with file:
        yield file


def dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return a dataset; None where there is none of this name.

    Args:
        file: The file.
        name: Its path, separated by slashes.

    Raises:
        DataError: It lies in another file, or is larger than a file of this size can hold.
    """
    parts = name.split("/")
    for depth in range(len(parts)):
        link = file.get("/".join(parts[: depth + 1]), getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise DataError(
                f"'{file.filename}' takes '{name}' from another file, which is not opened; copy "
                "everything into one file with h5copy."
            )
    data = file.get(name)
    if not isinstance(data, h5py.Dataset):
        return None
    if data.external or data.is_virtual:
        raise DataError(
            f"'{file.filename}' keeps the numbers of '{name}' in another file, which is not "
            "opened; copy everything into one file with h5repack."
        )
    if data.size is None or data.nbytes > unpacked_limit(Path(file.filename).stat().st_size):
        raise DataError(
            f"'{file.filename}' announces more numbers in '{name}' than a file of its size holds; "
            "it is damaged."
        )
    return data
