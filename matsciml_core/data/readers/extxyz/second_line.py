"""The second line of a frame: ``key=value`` pairs, and what their values mean.

The grammar is ASE's, which most files of the field were written by or for: values are bare, or
within ``"…"``, ``'…'``, ``{…}`` or ``[…]``; blanks may stand round ``=``; a backslash takes the
next character as it is; and a key without a value is true.

ASE 3.29.0 writes text that is empty as ``comment= energy=-3``, and then reads the comment
``energy=-3``, and no energy; of ``comment="" pbc="T T F"`` it makes a crystal that is periodic
along all three. Here such a value is empty, and the next key is one.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers.extxyz.columns import Malformed
from matsciml_core.guarded import parse_json

LATTICE, PROPERTIES, PBC = "Lattice", "Properties", "pbc"
_SPELLINGS = {name.lower(): name for name in (LATTICE, PROPERTIES)}
"""GPUMD documents these two as independent of case; everyone else writes them like this."""
_PLAIN = r"[^\s=\"'{}\[\]\\]+"
_ENCLOSED = r""""([^"\\]+)"|'([^'\\]+)'|\{([^}\\]+)\}|\[([^\]\\]+)\]"""
_PAIR = re.compile(rf"\s*({_PLAIN})(?:\s*=\s*(?:{_ENCLOSED}|({_PLAIN})))?(?=\s|$)")
_PAIRS = re.compile(rf"(?:{_PAIR.pattern})*+")
_UNUSUAL = tuple("'{}[]\\")
_CLOSING = {'"': '"', "'": "'", "{": "}", "[": "]"}
_MATRICES = frozenset({"stress", "virial"})
_TRUTH = {"T": True, "true": True, "True": True, "TRUE": True} | {
    "F": False,
    "false": False,
    "False": False,
    "FALSE": False,
}
_JSON = "_JSON "
_LARGEST = 2**63
"""Whole numbers from here on do not fit into 64 bits."""


def split_pairs(comment: bytes) -> dict[str, str]:
    """Return the pairs of a second line, values as text without what encloses them.

    Args:
        comment: The line.

    >>> split_pairs(b'Lattice="3 0 0 0 3 0 0 0 3" energy = -1.5 relaxed')
    {'Lattice': '3 0 0 0 3 0 0 0 3', 'energy': '-1.5', 'relaxed': 'T'}
    """
    return _as_dict(_split(comment))


def checked_pairs(comment: bytes) -> dict[str, str]:
    """Return the pairs of a second line, in which no key has two values.

    Args:
        comment: The line.

    Raises:
        Malformed: One has, and nobody knows which energy, say, is meant; ASE takes the last.
    """
    pairs = _split(comment)
    values = _as_dict(pairs)
    if len(values) < len(pairs):
        for key, value in pairs:
            if values[_SPELLINGS.get(key.lower(), key)] != value:
                raise Malformed(f"cannot be read, because it has two values of '{key}'.")
    return values


def _as_dict(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return pairs by key, the two of the format in their usual spelling."""
    values = dict(pairs)
    if LATTICE not in values or PROPERTIES not in values:
        values = {_SPELLINGS.get(key.lower(), key): value for key, value in pairs}
    return values


def _split(comment: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a line in their order."""
    text = comment.decode(errors="replace").strip()
    pairs = _split_usual(text)
    if pairs is not None:
        return pairs
    if _PAIRS.fullmatch(text):
        # Of the five groups of a value at most one is not empty; a key alone has none.
        return [
            (key, double or single or braces or brackets or plain or "T")
            for key, double, single, braces, brackets, plain in _PAIR.findall(text)
        ]
    # Escapes, quotes within a word or around nothing: rare, and ten times as slow.
    return _split_slowly(text)


def _split_usual(text: str) -> list[tuple[str, str]] | None:
    """Split a line as nearly all programs write it, in a fifth of the time; None: it is another.

    Words without blanks, joined by ``=``, and values within ``"…"``.
    """
    if any(character in text for character in _UNUSUAL):
        return None
    pairs: list[tuple[str, str]] = []
    outside = text.split('"')
    if len(outside) % 2 == 0:
        return None
    enclosed = outside[1::2]
    for index, part in enumerate(outside[::2]):
        words = part.split()
        value = enclosed[index] if index < len(enclosed) else ""
        key = ""
        if index < len(enclosed):
            # The value belongs to the word that it follows, without a blank between.
            if not value or not part.endswith("=") or not words:
                return None
            key = words.pop()[:-1]
            if not key or "=" in key:
                return None
        if index and part and not part[0].isspace():
            return None
        for word in words:
            name, equals, plain = word.partition("=")
            if not name or "=" in plain or (equals and not plain):
                return None
            pairs.append((name, plain or "T"))
        if key:
            pairs.append((key, value))
    return pairs


def _split_slowly(text: str) -> list[tuple[str, str]]:
    """Split a line character by character."""
    entries: list[list[list[str]]] = [[[]]]  # pairs → parts between ``=`` → characters
    closing, escaped = "", False
    quoted = False  # something was enclosed in this part, nothing perhaps
    loose = False  # this part is a bare word behind a blank
    before = " "
    for letter in text:
        parts = entries[-1]
        if escaped:
            parts[-1].append(letter)
            escaped = False
        elif letter == "\\":
            escaped, loose = True, False
        elif closing:
            if letter == closing:
                closing = ""
            else:
                parts[-1].append(letter)
        elif letter in _CLOSING:
            closing, quoted, loose = _CLOSING[letter], True, False
        elif letter.isspace():
            if parts[-1] or (quoted and len(parts) > 1):
                entries.append([[]])
                quoted = False
        elif letter == "=":
            if parts == [[]] and len(entries) > 1:  # blanks before it: it belongs to the last key
                del entries[-1]
            if len(entries[-1]) == 2 and loose:  # what looked like a value is the next key
                word = entries[-1].pop()
                entries[-1].append([])
                entries.append([word])
            entries[-1].append([])
            quoted = loose = False
        else:
            if not parts[-1]:
                loose = before.isspace() and not quoted
            parts[-1].append(letter)
        before = letter
    words = [["".join(part) for part in parts] for parts in entries if parts != [[]]]
    return [(parts[0], "=".join(parts[1:]) if len(parts) > 1 else "T") for parts in words]


def parse_value(key: str, text: str) -> Any:
    """Return what the text of a value means: numbers, truth values, JSON, or the text itself.

    ``stress`` and ``virial`` of nine numbers are 3 x 3. Their order is column by column, as ASE
    writes and reads them; for a symmetric tensor any order is the same.

    Args:
        key: Its key.
        text: The value as written.

    >>> parse_value("energy", "-1.5"), parse_value("run", "a-7"), parse_value("relaxed", "T")
    (-1.5, 'a-7', True)
    """
    parts = text.replace(",", " ").split()
    number = _number(parts[0]) if len(parts) == 1 else _numbers(parts)
    if number is not None:
        return number.reshape(3, 3).T if key in _MATRICES and len(parts) == 9 else number
    if text.startswith(_JSON):
        data = None
        try:
            data = parse_json(text.removeprefix(_JSON), largest=None)
            array = np.array(data)
        except ValueError:  # no JSON, or rows of different lengths
            return text if data is None else data
        return array if array.dtype.kind in "ifb" else data
    truths = [_TRUTH.get(part) for part in parts]
    if not parts or None in truths:
        return text
    return truths[0] if len(parts) == 1 else truths


def _number(text: str) -> Any:
    """Return a whole number, or else a floating-point number; None where it is neither."""
    try:
        whole = int(text)
    except ValueError:
        whole = _LARGEST
    if -_LARGEST <= whole < _LARGEST:  # larger ones are no numbers of atoms or the like
        return whole
    try:
        return float(text)
    except ValueError:
        return None


def real_numbers(parts: list[str]) -> NDArray[np.float64] | None:
    """Return floating-point numbers; None where a part is none.

    Args:
        parts: The numbers as text.
    """
    try:
        # Python's own conversion, in a third of the time that NumPy takes for a few texts.
        return np.array([float(part) for part in parts])
    except ValueError:
        return None


def _numbers(parts: list[str]) -> Any:
    """Return whole numbers, or else floating-point numbers; None where one is neither."""
    if not parts:
        return None
    if "." in parts[0]:
        return real_numbers(parts)
    # Whole numbers first, so that a column of counts stays one of integers.
    for kind in (np.int64, np.float64):
        try:
            return np.array(parts, dtype=kind)
        except (ValueError, OverflowError):
            continue
    return None
