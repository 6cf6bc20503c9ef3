"""Extended XYZ, fast: whole blocks of frames become arrays with a few calls of NumPy.

The format: a line with the number of atoms; a line of ``key=value``, with ``Lattice`` and
``Properties``; a line for each atom.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers.extxyz.columns import describe, read_table, split_lines
from matsciml_core.errors import DataError

BLOCK = 1 << 20
"""Bytes that are turned into numbers together: what a processor's cache holds."""
LONGEST_FRAME = 1 << 28
"""Bytes; whatever claims to be longer would fill the memory."""
_PAIR = re.compile(rb"""([^\s="]+)=(?:"([^"]*)"|'([^']*)'|(\S+))""")


@dataclass(frozen=True, slots=True)
class XYZFrame:
    """A frame, as the file has it."""

    info: Mapping[str, str]
    """What its second line says."""
    columns: Mapping[str, NDArray[Any]]
    """Columns by name: float64, int64 or bool, ``(atoms,)`` or ``(atoms, width)``; ``species`` as
    atomic numbers, 0 where a symbol is unknown; other text as bytes."""

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lattice vectors as rows, ``(3, 3)``, Å.

        Raises:
            DataError: There is none.
        """
        try:
            return np.array(self.info["Lattice"].split(), dtype=np.float64).reshape(3, 3)
        except (KeyError, ValueError):
            raise DataError("The frame has no 'Lattice' of nine numbers.") from None

    @property
    def pbc(self) -> tuple[bool, ...]:
        """Periodic directions; all where the frame does not say."""
        given = self.info.get("pbc", "T T T").split()
        return tuple(one[0] in "Tt1" for one in given)

    def number(self, name: str) -> float:
        """Return a number of the second line.

        Raises:
            DataError: It is missing, or no number.
        """
        try:
            return float(self.info[name])
        except (KeyError, ValueError):
            raise DataError(f"The frame has no number '{name}'.") from None


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a frame lies in a block of text."""

    atoms: int
    comment: bytes
    start: int
    """First character of its first atom."""
    stop: int
    """Behind its last line."""
    width: int
    """Characters of a line with its end; 0: lines differ."""
    properties: bytes


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


def read_extended_xyz(stream: Readable) -> Iterator[XYZFrame]:
    """Yield the frames of a file, in order; memory stays flat.

    Args:
        stream: The file, opened for bytes; unpacked on the way where it was packed.

    Raises:
        DataError: A frame is incomplete or not as it announces itself; the frames before it have
            been yielded.
    """
    rest, number, last = b"", 0, False
    while not last:
        block = stream.read(BLOCK)
        last = not block
        text = rest + block
        if last and text and not text.endswith(b"\n"):
            text += b"\n"
        spans, end, fault = _find_frames(text, number)
        for frame in _read_frames(text, spans, number):
            yield frame
            number += 1
        rest = text[end:]
        if len(rest) > LONGEST_FRAME:
            fault = f"Frame {number} is longer than {LONGEST_FRAME:,} bytes; this is no such file."
        if fault or (last and rest.strip()):
            raise DataError(fault or f"Frame {number} is incomplete: the file ends within it.")


def _find_frames(text: bytes, number: int) -> tuple[list[_Span], int, str]:
    """Return the whole frames of a text, where they end, and what is wrong behind them."""
    spans: list[_Span] = []
    place = 0
    while (end := text.find(b"\n", place)) >= 0:
        count = text[place:end].strip()
        if not count and not text[place:].strip():
            break  # empty lines at the end of a file
        if not count.isdigit() or not int(count):
            fault = f"Frame {number + len(spans)} does not begin with its number of atoms."
            return spans, place, fault
        span = _find_frame(text, int(count), end + 1)
        if span is None:
            break
        spans.append(span)
        place = span.stop
    return spans, place, ""


def _find_frame(text: bytes, atoms: int, place: int) -> _Span | None:
    """Return the frame whose second line begins at a place; None where the text ends before it."""
    start = text.find(b"\n", place) + 1
    width = text.find(b"\n", start) + 1 - start if start else 0
    if width <= 0:
        return None
    comment = text[place : start - 1]
    properties = _properties(comment)
    stop = start + atoms * width
    if text[stop - 1 : stop] == b"\n" and text.count(b"\n", start, stop) == atoms:
        return _Span(atoms, comment, start, stop, width, properties)
    stop = start
    for _ in range(atoms):
        stop = text.find(b"\n", stop) + 1
        if not stop:
            return None
    return _Span(atoms, comment, start, stop, 0, properties)


def _properties(comment: bytes) -> bytes:
    first = comment.find(b"Properties=") + len(b"Properties=")
    if first < len(b"Properties="):
        return b"species:S:1:pos:R:3"
    return comment[first:].split(None, 1)[0].strip(b"\"'")


def _read_frames(text: bytes, spans: Sequence[_Span], number: int) -> Iterator[XYZFrame]:
    """Yield frames; neighbours whose lines are of one form become arrays together."""
    for (width, properties), group in groupby(spans, lambda span: (span.width, span.properties)):
        members = list(group)
        columns = describe(properties)
        lines = [text[span.start : span.stop] for span in members]
        table = read_table(lines, width, columns) if width else None
        first = 0
        for span in members:
            if table is None:
                found = split_lines(text[span.start : span.stop], span.atoms, columns, number)
            else:
                rows = slice(first, first + span.atoms)
                found = {name: values[rows] for name, values in table.items()}
            yield XYZFrame(_pairs(span.comment), found)
            first += span.atoms
            number += 1


def _pairs(comment: bytes) -> dict[str, str]:
    return {
        key.decode(): (quoted or single or plain).decode(errors="replace")
        for key, quoted, single, plain in _PAIR.findall(comment)
    }
