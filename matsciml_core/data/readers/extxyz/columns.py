"""Atoms of extended XYZ as arrays: lines of one form at once, others split at blanks.

Writers of long files put every column at the same place in every line, as ASE does with
``%16.8f``. A block of such lines is a table of characters, whose digits are turned into numbers
eight at a time, in one multiplication each for all lines; every number is the one that ``float``
would give. Lines of any other form are split at blanks, which is slower, and says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.interfaces.elements import SYMBOLS

SPECIES = "species"
_PLAIN = b"species:S:1:pos:R:3"
_WIDTH = re.compile(r"\d{1,3}")
"""A width of more than 999 columns is an attempt to fill the memory."""
_BLANK, _DOT, _MINUS, _ZERO, _NEWLINE = b" .-0\n"
_ONES = 0x0101010101010101
_ALL = 0xFFFFFFFFFFFFFFFF
_WORD = 8
"""Characters that are read together."""
_MARGIN = bytes(_WORD)
_LARGEST = 15
"""Digits that a float64 holds exactly, so that one division rounds correctly."""


class Malformed(ValueError):
    """A frame cannot be read; the message is the end of a sentence that begins with the frame."""


@cache
def describe(properties: bytes) -> tuple[tuple[str, str, int], ...]:
    """Return name, type and width of each column.

    Args:
        properties: ``name:type:width`` of each column, joined by colons; empty: plain XYZ.

    Raises:
        Malformed: The description is not understood.
    """
    text = (properties or _PLAIN).decode(errors="replace")
    parts = text.split(":")
    names, kinds, widths = parts[::3], parts[1::3], parts[2::3]
    legible = all(kind in "SRIL" for kind in kinds) and all(_WIDTH.fullmatch(w) for w in widths)
    if len(parts) % 3 or not legible:
        raise Malformed(f"cannot be read, because 'Properties={text}' is not understood.")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:  # of forces of two methods nobody knows which is meant
        raise Malformed(f"cannot be read, because 'Properties' names '{repeated}' twice.")
    return tuple((n, k, int(w)) for n, k, w in zip(names, kinds, widths, strict=True))


def split_lines(
    text: bytes, atoms: int, columns: Sequence[tuple[str, str, int]], *, exact: bool
) -> dict[str, NDArray[Any]]:
    """Return the columns of a frame by splitting each of its lines at blanks.

    Args:
        text: The lines of the atoms.
        atoms: Their number.
        columns: Name, type and width of each column.
        exact: Whether a line with more entries than columns is malformed; else they are passed
            over: plain XYZ files often have forces or charges there, and say nothing of them.

    Raises:
        Malformed: A line has fewer entries, or one that is not of its type.
    """
    total = sum(width for _, _, width in columns)
    values: dict[str, NDArray[Any]] = {}
    start = 0
    try:
        # Line by line: entries of a line that is too long must not make up for those that the next
        # one lacks.
        most = None if exact else total
        rows = [line.split()[:most] for line in text.split(b"\n")[:atoms]]
        entries = np.array(rows).reshape(atoms, total)
        for name, kind, width in columns:
            part = entries[:, start : start + width]
            values[name] = _CONVERT[kind](part[:, 0] if width == 1 else part)
            start += width
    except ValueError:
        raise Malformed("has an atom that is not as 'Properties' says.") from None
    if SPECIES in values and values[SPECIES].dtype.kind == "S":
        species = values[SPECIES].tolist()
        values[SPECIES] = np.array(
            [_NUMBERS.get(name.capitalize(), 0) for name in species], np.uint8
        )
    return values


_CONVERT: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "S": lambda cells: cells,
    "R": lambda cells: cells.astype(np.float64),
    "I": lambda cells: cells.astype(np.int64),
    "L": lambda cells: np.isin(np.char.upper(cells.astype("S1")), (b"T", b"1")),
}
_NUMBERS = {symbol.encode(): number for number, symbol in enumerate(SYMBOLS, 1)}
_NUMBERS |= {str(number).encode(): number for number in range(1, len(SYMBOLS) + 1)}
"""Atomic numbers by symbol, and by themselves: some programs write them in place of symbols."""
ISOTOPES = {201: "D", 202: "T"}
"""What stands for the isotopes with symbols of their own, until their masses are looked up."""
_NUMBERS |= {symbol.encode(): number for number, symbol in ISOTOPES.items()}


class _Table:
    """Lines of one width as a table of characters, read as words of eight."""

    def __init__(self, lines: Sequence[bytes], width: int) -> None:
        # A word may begin before the first line, or end behind the last one.
        self._buffer = b"".join([_MARGIN, *lines, _MARGIN])
        self._width = width
        inner = self._buffer[len(_MARGIN) : -len(_MARGIN)]
        self.characters = np.frombuffer(inner, np.uint8).reshape(-1, width)

    def fields(self) -> list[tuple[int, int]]:
        """Return first character and end of each column: what blanks in every line keep apart."""
        seen = np.bitwise_or.reduce(self.characters[:, :-1], axis=0)  # a blank has one bit
        edges = np.flatnonzero(np.diff(seen != _BLANK, prepend=False, append=False)).tolist()
        return list(zip(edges[::2], edges[1::2], strict=True))

    def before(self, end: int, width: int) -> NDArray[np.uint64]:
        """Return the ``width`` characters before a place, blanks before them, as words."""
        # The first character is in the lowest byte, so what comes before the field is masked there.
        mask = np.uint64(_ALL << 8 * (8 - width) & _ALL)
        return (self._words(end - 8) & mask) | (np.uint64(_BLANK * _ONES) & ~mask)

    def behind(self, start: int, width: int) -> NDArray[np.uint64]:
        """Return the ``width`` characters from a place on, zeros before them, as words."""
        shift = 8 * (8 - width)
        padding = np.uint64(_ZERO * _ONES & ((1 << shift) - 1))
        return (self._words(start) << np.uint64(shift)) | padding

    def _words(self, start: int) -> NDArray[np.uint64]:
        """Return the eight characters from a place on, the first one in the lowest byte."""
        return np.ndarray(
            len(self.characters), "<u8", self._buffer, start + len(_MARGIN), (self._width,)
        ).astype(np.uint64)


def read_table(
    lines: Sequence[bytes], width: int, columns: Sequence[tuple[str, str, int]]
) -> dict[str, NDArray[Any]] | None:
    """Return the columns of several frames whose lines have one width; None: not of fixed form."""
    table = _Table(lines, width)
    if (table.characters[:, -1] != _NEWLINE).any():
        return None
    fields = table.fields()
    if len(fields) != sum(count for _, _, count in columns):
        return None
    values, start = {}, 0
    for name, kind, count in columns:
        limits = fields[start : start + count]
        parts = [_READ[kind](table, low, high, name) for low, high in limits]
        numbers = [part for part in parts if part is not None]
        if len(numbers) < count:  # a field of another form: all lines are split at blanks
            return None
        values[name] = numbers[0] if count == 1 else np.stack(numbers, axis=1)
        start += count
    return values


def _read_real(table: _Table, low: int, high: int, name: str) -> NDArray[np.float64] | None:
    """Return numbers with a decimal point at one place; None where they are of another form."""
    dots = np.flatnonzero(table.characters[0, low:high] == _DOT)
    if len(dots) != 1 or (table.characters[:, low + dots[0]] != _DOT).any():
        return None
    dot = low + int(dots[0])
    decimals = high - dot - 1
    if not decimals or high - low > _LARGEST:
        return None
    whole = _signed(table, low, dot)
    if whole is None:
        return None
    magnitude, negative = whole
    for start in range(dot + 1, high, _WORD):
        width = min(_WORD, high - start)
        digits = _digits(table.behind(start, width) ^ np.uint64(_ZERO * _ONES))
        if digits is None:
            return None
        magnitude = magnitude * 10**width + digits
    value: NDArray[np.float64] = magnitude.astype(np.float64)
    value /= 10.0**decimals
    np.negative(value, out=value, where=negative)
    return value


def _read_integer(table: _Table, low: int, high: int, name: str) -> NDArray[np.int64] | None:
    whole = _signed(table, low, high)
    if whole is None:
        return None
    magnitude, negative = whole
    np.negative(magnitude, out=magnitude, where=negative)
    return magnitude


def _signed(
    table: _Table, low: int, high: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    """Return magnitudes and signs of whole numbers that end at the right.

    From left to right, which is from the lowest byte of a word to the highest, there must be
    blanks, perhaps a sign, and digits. Whatever is not so gives None.
    """
    if high - low > 8:
        return None
    word = table.before(high, high - low) ^ np.uint64(_BLANK * _ONES)  # a blank is 0, "0" is 16
    filled = (word >> np.uint64(4)) & np.uint64(_ONES)  # 1 in the byte of each digit
    whole = filled * np.uint64(255)
    lowest = filled & (~filled + np.uint64(1))
    rest = word & ~whole
    sign = np.uint64(_MINUS ^ _BLANK) * (lowest >> np.uint64(8))
    negative = rest != 0
    # Bytes that are full from the lowest digit on to the top become 0 when one is added.
    if (whole + lowest).any() or (negative & (rest != sign)).any():
        return None
    magnitude = _digits((word & whole) ^ (filled << np.uint64(4)))
    return None if magnitude is None else (magnitude, negative)


def _digits(word: NDArray[np.uint64]) -> NDArray[np.int64] | None:
    """Return the numbers of eight digits, one in each byte; None where a byte is more than 9.

    Pairs, then fours, then all eight are joined by one multiplication each. See Lemire, Number
    parsing at a gigabyte per second, Software: Practice and Experience 51 (2021),
    doi:10.1002/spe.2984.
    """
    # With 0x76 a digit stays below 0x80, and it has no high bit of its own.
    if ((word | (word + np.uint64(0x76 * _ONES))) & np.uint64(0x80 * _ONES)).any():
        return None
    word = (word * np.uint64(2561)) >> np.uint64(8)
    word = ((word & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    word = ((word & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return word.astype(np.int64)


def _read_logical(table: _Table, low: int, high: int, name: str) -> NDArray[np.bool_] | None:
    letters = table.characters[:, low]
    true = letters == ord("T")
    return true if (true | (letters == ord("F"))).all() else None


def _read_text(table: _Table, low: int, high: int, name: str) -> NDArray[Any] | None:
    """Return text that begins at the left, symbols of elements as atomic numbers."""
    field = table.characters[:, low:high]
    if (field[:, 0] == _BLANK).any():
        return None
    if name != SPECIES:
        texts: NDArray[Any] = np.ascontiguousarray(field).view(f"S{high - low}")[:, 0]
        return np.char.rstrip(texts)
    if high - low > 2:
        return None
    second = field[:, 1] if high - low == 2 else np.full(len(field), _BLANK, np.uint8)
    numbers: NDArray[np.uint8] = _symbol_table()[field[:, 0].astype(np.uint16) << 8 | second]
    return numbers


@cache
def _symbol_table() -> NDArray[np.uint8]:
    """Return atomic numbers by the two characters of a symbol."""
    table = np.zeros(1 << 16, np.uint8)
    for name, number in _NUMBERS.items():
        for spelling in {name, name.upper(), name.lower()}:
            if len(spelling) <= 2:
                first, second = spelling.ljust(2)
                table[first << 8 | second] = number
    return table


_READ = {"S": _read_text, "R": _read_real, "I": _read_integer, "L": _read_logical}
