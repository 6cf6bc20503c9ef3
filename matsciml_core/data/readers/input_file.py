"""What a reader is given: a file, unpacked on the way where it is compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from matsciml_core.data.limits import LARGEST_UNPACKED, unpacked_limit
from matsciml_core.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


COMPRESSIONS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": zstd.open,
}
"""Ending of a compressed file's name → what opens it for unpacked bytes."""


_BUFFER = 1 << 20
"""Bytes that are unpacked at once."""


class Extent:
    """How much of some files has been read, so that the time left can be told.

    Few formats say how many records a file holds, and every file how many bytes.

    Args:
        size: Of all the files, bytes on the disk.
    """

    def __init__(self, size: int) -> None:
        """Begin at nothing."""
        self._size = size
        self.restart()

    def restart(self) -> None:
        """Begin again with the first file."""
        self._passed = self._current = 0
        self._stream: BinaryIO | None = None

    def begin(self, path: Path) -> None:
        """Note that the files before this one have been read."""
        self._passed += self._current
        self._current = path.stat().st_size if path.is_file() else 0
        self._stream = None

    def watch(self, stream: BinaryIO) -> None:
        """Note what the present file is read from; its position tells how far that is."""
        self._stream = stream

    @property
    def share(self) -> float | None:
        """Share that has been read, above 0 and below 1; None: not known.

        A library that reads a file as a whole is at its end before the first record.
        """
        inside = 0 if self._stream is None or self._stream.closed else self._stream.tell()
        read = self._passed + min(inside, self._current)
        return read / self._size if 0 < read < self._size else None


class CompressedError(DataError):
    """A file is compressed, and its format needs it unpacked."""


class _Bounded(RawIOBase):
    """What a compressed file unpacks to, up to a bound."""

    def __init__(self, stream: Any, packed: BinaryIO, path: Path, torn: set[Path]) -> None:
        self._stream, self._packed, self._path, self._torn = stream, packed, path, torn
        self._limit = self._left = unpacked_limit(path.stat().st_size)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; a file that breaks off seems to end there, and is noted.

        Raises:
            DataError: The file unpacks to more than it may.
        """
        try:
            # Not read(), which throws away what it has unpacked already where the file breaks off.
            data = self._stream.read1(len(buffer))
        except EOFError:
            self._torn.add(self._path)
            data = b""
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"'{self._path}' unpacks to more than {self._limit / (1 << 30):.3g} GiB, which is "
                f"{self._limit // max(self._path.stat().st_size, 1):,} times its size; if you "
                f"trust it, set {LARGEST_UNPACKED} to the GiB that it may have."
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._packed.close()  # which the stream leaves open, since it has not opened it
        super().close()


@dataclass(frozen=True)
class InputFile:
    """A file of some format, or a folder that a format treats as one file."""

    path: Path
    extent: Extent | None = field(default=None, repr=False, compare=False)
    """Learns how far the file is read; None: nobody asks."""
    _torn: set[Path] = field(default_factory=set, repr=False, compare=False)

    @property
    def is_torn(self) -> bool:
        """Whether the compressed data, as far as they were read, broke off."""
        return self.path in self._torn

    @property
    def is_compressed(self) -> bool:
        """Whether the name says that the content is compressed."""
        return self.path.suffix.lower() in COMPRESSIONS

    @property
    def name(self) -> str:
        """The file's name, without the ending of a compression."""
        return self.path.stem if self.is_compressed else self.path.name

    @property
    def stem(self) -> str:
        """The name up to its first dot: what names that a reader makes up begin with."""
        return self.path.name.split(".")[0]

    def open(self) -> BinaryIO:
        """Open the file for its unpacked bytes, which come as a stream.

        Where compressed data break off, the stream ends; :attr:`is_torn` says so afterwards.
        """
        # As a stream: a file that unpacks to terabytes costs no more memory than a small one.
        opener = COMPRESSIONS.get(self.path.suffix.lower())
        stream = self.path.open("rb")
        if self.extent is not None:
            self.extent.watch(stream)
        if opener is None:
            return stream
        bounded = _Bounded(opener(stream), stream, self.path, self._torn)
        return cast("BinaryIO", BufferedReader(bounded, _BUFFER))

    def open_text(self) -> TextIO:
        """Open the file for its text, in UTF-8; line ends are left as they are."""
        # Spreadsheets put a byte order mark before the text, which "-sig" passes over.
        return TextIOWrapper(self.open(), encoding="utf-8-sig", newline="")

    def plain_path(self) -> Path:
        """Return the path, for a library that opens files itself and jumps back and forth in them.

        Raises:
            CompressedError: The file is compressed.
        """
        if self.is_compressed:
            raise CompressedError(
                f"'{self.path}' is compressed, and its format is read here and there instead of "
                "from beginning to end; unpack it first."
            )
        return self.path
