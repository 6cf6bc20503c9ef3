"""Extended XYZ, fast: whole blocks of frames become arrays with a few calls of NumPy.

The format: a line with the number of atoms; a line of ``key=value``, with ``Lattice`` and
``Properties``; a line for each atom. Programs that were killed and started again leave frames
without their last atoms in the middle of a file; such a frame is recognised by the beginning of the
next one within it, and costs no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers.extxyz.columns import Malformed, describe, read_table, split_lines
from matsciml_core.data.readers.extxyz.second_line import (
    LATTICE,
    PBC,
    checked_pairs,
    real_numbers,
    split_pairs,
)
from matsciml_core.data.readers.torn import lacks_digits
from matsciml_core.errors import DataError

BLOCK = 1 << 20
"""Bytes that are turned into numbers together: what a processor's cache holds."""
LONGEST_FRAME = 1 << 28
"""Bytes; whatever claims to be longer would fill the memory."""
_MOST_DIGITS = 12
"""Of a number of atoms; Python itself limits the digits of what it converts."""
_SIGNS = (b"roperties", b"attice")
"""What the second line of a frame has, and no line of an atom; the first letter may be small."""
_TRUE, _FALSE = frozenset({"t", "true", "1"}), frozenset({"f", "false", "0"})
_TORN = "ends before its last atom."
_CUT = (
    "is cut within its last atom: the file ends without the end of a line, in a number with fewer "
    "digits than all others; end the line where it is whole."
)
_KNOWN = 30
"""Most lines of earlier atoms that are kept to tell how long the numbers of a column are."""
_VECTOR = b"VEC"
"""Begins the lines behind the atoms in which ADF, and ASE for it, write the cell."""
_WINDOW = 1000
"""Bytes that three such lines do not exceed."""


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
        numbers = real_numbers(self.info.get(LATTICE, "").replace(",", " ").split())
        if numbers is None or numbers.size != 9:
            raise DataError("The frame has no 'Lattice' of nine numbers.")
        return numbers.reshape(3, 3)

    @property
    def pbc(self) -> tuple[bool, ...]:
        """Periodic directions; all where the frame does not say, none where it is no word of it."""
        words = self.info.get(PBC, "T T T").replace(",", " ").lower().split()
        flags = tuple(word in _TRUE for word in words)
        if not all(word in _TRUE or word in _FALSE for word in words):
            return ()
        return flags * 3 if len(flags) == 1 else flags

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
class XYZFault:
    """A frame that cannot be read."""

    reason: str
    """What is wrong, as the end of a sentence that begins with the frame; the same words for every
    frame with the same fault."""
    info: Mapping[str, str]
    """What its second line says, where there is one."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a frame lies in a block of text."""

    comment: bytes
    """Its second line."""
    start: int = 0
    """First character of its first atom."""
    stop: int = 0
    """Behind the line of its last atom."""
    atoms: int = 0
    width: int = 0
    """Characters of a line with its end; 0: lines differ."""
    vectors: bytes = b""
    """Lines with cell vectors that follow the atoms."""
    fault: str = ""
    """What is wrong with the frame as a whole; empty: nothing so far."""

    @property
    def end(self) -> int:
        """Behind the last line that belongs to it."""
        return self.stop + len(self.vectors)

    @property
    def form(self) -> tuple[int, bytes, bool]:
        """What frames have in common that can be read together."""
        return self.width, properties_of(self.comment), bool(self.fault)


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


def read_extended_xyz(stream: Readable) -> Iterator[XYZFrame]:
    """Yield the frames of a file, in order, up to the first that cannot be read.

    Args:
        stream: The file, opened for bytes; unpacked on the way where it was packed.

    Raises:
        DataError: A frame is incomplete or not as it announces itself; the frames before it have
            been yielded.
    """
    for index, frame in enumerate(scan_extended_xyz(stream)):
        if isinstance(frame, XYZFault):
            raise DataError(f"Frame {index} {frame.reason}")
        yield frame


def scan_extended_xyz(stream: Readable) -> Iterator[XYZFrame | XYZFault]:
    """Yield the frames of a file, in order, and a fault in place of each that cannot be read.

    Memory stays flat. Lines that belong to no frame are one fault, up to the next frame.

    Args:
        stream: The file, opened for bytes; unpacked on the way where it was packed.
    """
    rest, lost, last = b"", False, False
    known: list[bytes] = []
    while not last:
        # As much as is waiting already, so that a long frame is not searched block by block.
        block = stream.read(max(BLOCK, len(rest)))
        last = not block
        text = rest + block
        unended = last and bool(text) and not text.endswith(b"\n")
        if unended:
            text += b"\n"
        spans, end, lost = _find_frames(text, lost=lost, last=last)
        if unended and spans and spans[-1].stop == len(text):
            spans[-1] = _checked_end(text, spans, known)
        known = [*known, *_last_lines(text, spans)][-_KNOWN:]
        yield from _read_frames(text, spans)
        rest = text[end:]
        if len(rest) > LONGEST_FRAME:
            if not lost:
                yield XYZFault(f"is longer than {LONGEST_FRAME:,} bytes.", {})
            rest, lost = b"", True


def _last_lines(text: bytes, spans: Sequence[_Span]) -> list[bytes]:
    """Return the last lines of atoms among those of the last frames."""
    most = _KNOWN + 1  # with what follows the last end of a line, which is nothing
    lines: list[bytes] = []
    for span in spans[-2:]:
        # From behind: this is done for each block, of which all lines would take too long.
        lines += text[span.start : span.stop].rsplit(b"\n", most)[-most:]
    return [line for line in lines if line.strip()][-_KNOWN:]


def _checked_end(text: bytes, spans: Sequence[_Span], known: Sequence[bytes]) -> _Span:
    """Return the last frame, as cut where its last line has no end and its last number is short.

    Args:
        text: The end of the file.
        spans: The frames in it.
        known: Lines of atoms before it.
    """
    *lines, last = text[spans[-1].start : spans[-1].stop - 1].split(b"\n")
    if len(lines) < _KNOWN:
        lines = [*known, *_last_lines(text, spans[:-1]), *lines][-_KNOWN:]
    rows = [line.decode("latin-1").split() for line in (*lines, last) if line.strip()]
    # Where the number before it has as few digits, the frame was written in another way.
    torn = _lacks_digits(rows, -1) and not _lacks_digits(rows, -2)
    return replace(spans[-1], fault=_CUT) if torn else spans[-1]


def _lacks_digits(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Tell whether the last row has a shorter number in a column than the rows before it."""
    *others, last = [row[column] for row in rows if len(row) >= -column]
    return lacks_digits(last, others)


def properties_of(comment: bytes) -> bytes:
    """Return what a second line says of the columns; nothing where it is a plain comment.

    Args:
        comment: The line.
    """
    start = comment.find(b"Properties=")  # the spelling and spacing of nearly all files
    if start >= 0:
        return comment[start + len(b"Properties=") :].split(None, 1)[0].strip(b"\"'")
    if b"roperties" in comment:
        return split_pairs(comment).get("Properties", "").encode()
    return b""


def _find_frames(text: bytes, *, lost: bool, last: bool) -> tuple[list[_Span], int, bool]:
    """Find the whole frames of a text, and those that are torn.

    Args:
        text: A part of the file, from the beginning of a frame on where nothing is ``lost``.
        lost: Whether it begins within lines that belong to no frame, which were reported.
        last: Whether the file ends with it.

    Returns:
        The frames; where the text begins that waits for more; and whether that is ``lost``.
    """
    spans: list[_Span] = []
    position = 0
    while (end := text.find(b"\n", position)) >= 0:
        count = text[position:end].strip()
        if not count:
            position = end + 1
            continue
        start = text.find(b"\n", end + 1) + 1
        atoms = _count(count)
        if not atoms:
            torn = _blame_last(spans, text, position, end)
            if torn >= 0:
                position = torn
                continue
            if not lost:
                spans.append(_Span(b"", fault="does not begin with its number of atoms."))
            position = _next_frame(text, end + 1, len(text))
            lost = position < 0
            if lost:  # the last two lines may be the beginning of a frame
                tail = text.rfind(b"\n", 0, text.rfind(b"\n")) + 1
                return spans, len(text) if last else tail, not last
            continue
        lost = False
        span = _span(text, atoms, end + 1, start) if start else None
        if span is None:
            torn = _next_frame(text, start, len(text)) if start else -1
            if torn < 0:
                break
            spans.append(_Span(text[end + 1 : start - 1], fault=_TORN))
            position = torn
            continue
        # What follows decides: cell vectors belong to the frame, and a line that is no number of
        # atoms may have cost it its last one. So the last frame of a block waits for the next one.
        vectors = _vectors(text, span, last=last)
        if vectors is None:
            break
        spans.append(replace(span, vectors=vectors) if vectors else span)
        position = spans[-1].end
    if last and text[position:].strip():
        comment = text[position:].partition(b"\n")[2].partition(b"\n")[0]
        spans.append(_Span(comment, fault="is incomplete: the file ends within it."))
        position = len(text)
    return spans, position, False


def _blame_last(spans: list[_Span], text: bytes, position: int, end: int) -> int:
    """Mark the last frame as torn where the line behind it, no number of atoms, betrays that.

    Args:
        spans: The frames so far.
        text: The text that they lie in.
        position: Where the line begins.
        end: Where it ends.

    Returns:
        Where the frame begins that the torn one reached into; -1: there is none.
    """
    if not spans or spans[-1].end != position:
        return -1
    torn = _next_frame(text, spans[-1].start, position)
    if torn >= 0:
        spans[-1] = replace(spans[-1], fault=_TORN)
    elif any(sign in text[position:end] for sign in _SIGNS):
        # The line is the second one of a frame: the number of its atoms stands behind the last atom
        # of the frame before, which was cut, and its digits seem to belong there.
        spans[-1] = replace(spans[-1], fault="is cut within its last atom.")
    return torn


def _count(line: bytes) -> int:
    """Return the number of atoms that a line states; 0 where it states none."""
    return int(line) if line.isdigit() and len(line) <= _MOST_DIGITS else 0


def _next_frame(text: bytes, low: int, high: int) -> int:
    """Return where the first frame begins between two positions at the starts of lines; -1: none.

    A frame begins with a line that is a number, before one that has a sign of a second line. The
    signs are searched for as bytes, which costs next to nothing beside reading the numbers.
    """
    while low < high:
        signs = [start for sign in _SIGNS if (start := text.find(sign, low, high)) >= 0]
        if not signs:
            return -1
        comment = text.rfind(b"\n", low, min(signs)) + 1
        begin = text.rfind(b"\n", low, comment - 1) + 1 or low
        if comment and _count(text[begin : comment - 1].strip()):
            return begin
        low = text.find(b"\n", min(signs), high) + 1 or high
    return -1


def _span(text: bytes, atoms: int, second: int, start: int) -> _Span | None:
    """Return the frame of a second line; None where the text ends before the frame does."""
    width = text.find(b"\n", start) + 1 - start
    comment = text[second : start - 1]
    stop = start + atoms * width
    if width <= 0:
        return None
    if text[stop - 1 : stop] != b"\n" or text.count(b"\n", start, stop) != atoms:
        width, stop = 0, start
        for _ in range(atoms):
            stop = text.find(b"\n", stop) + 1
            if not stop:
                return None
    return _Span(comment, start, stop, atoms, width)


def _vectors(text: bytes, span: _Span, *, last: bool) -> bytes | None:
    """Return the lines with cell vectors behind a frame; None where more text decides that."""
    if _SIGNS[1] in span.comment:  # the cell is in the second line
        return b"" if last or text.find(b"\n", span.stop) >= 0 else None
    window = text[span.stop : span.stop + _WINDOW]
    following = window.splitlines(keepends=True)[:3]
    if not last and len(window) < _WINDOW and sum(b"\n" in line for line in following) < 3:
        return None
    others = [not line.lstrip().startswith(_VECTOR) for line in following]
    return b"".join(following[: others.index(True) if True in others else 3])


def _read_frames(text: bytes, spans: Sequence[_Span]) -> Iterator[XYZFrame | XYZFault]:
    """Yield frames; neighbours whose lines are of one form become arrays together."""
    for (width, properties, faulty), group in groupby(spans, lambda span: span.form):
        members = list(group)
        if faulty:
            yield from (XYZFault(span.fault, split_pairs(span.comment)) for span in members)
            continue
        lines = [text[span.start : span.stop] for span in members]
        try:
            columns = describe(properties)
        except Malformed as error:
            yield from (XYZFault(str(error), split_pairs(span.comment)) for span in members)
            continue
        table = read_table(lines, width, columns) if width else None
        first = 0
        for span, text_of in zip(members, lines, strict=True):
            try:
                if table is None:
                    values = split_lines(text_of, span.atoms, columns, exact=bool(properties))
                else:
                    rows = slice(first, first + span.atoms)
                    values = {name: column[rows] for name, column in table.items()}
                yield XYZFrame(_info(span), values)
            except Malformed as error:
                yield from _read_within(text, span, str(error))
            first += span.atoms


def _read_within(text: bytes, span: _Span, fault: str) -> Iterator[XYZFrame | XYZFault]:
    """Yield the fault of a frame, and the frames that begin among the lines of its atoms.

    One that was torn takes as many lines of the following ones for its atoms as it lacks.
    """
    torn = _next_frame(text, span.start, span.stop)
    yield XYZFault(fault if torn < 0 else _TORN, split_pairs(span.comment))
    if torn >= 0:
        rest = text[torn : span.end]
        spans, _, _ = _find_frames(rest, lost=False, last=True)
        yield from _read_frames(rest, spans)


def _info(span: _Span) -> dict[str, str]:
    """Return the pairs of a frame; one with cell vectors behind its atoms has a free comment."""
    if not span.vectors:
        return checked_pairs(span.comment)
    rows = [line.split()[1:4] for line in span.vectors.decode(errors="replace").splitlines()]
    cell = [*rows, *[["0", "0", "0"]] * (3 - len(rows))]
    return {
        "comment": span.comment.decode(errors="replace").strip(),
        LATTICE: " ".join(number for row in cell for number in row),
        PBC: " ".join("T" if index < len(rows) else "F" for index in range(3)),
    }
