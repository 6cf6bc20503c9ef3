"""JSON piece by piece: files of many GB are one object, and shall not be in memory at once."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, TextIO

from matsciml_core.errors import DataError
from matsciml_core.guarded import DoubledKeyError, unambiguous

_CHUNK = 1 << 20
"""Characters that are read at a time; one entry of a file has thousands."""
_LARGEST = 1 << 30
"""Characters of one entry; a file whose entries are larger is no list of structures."""
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(object_pairs_hook=unambiguous)


class _Buffer:
    """The part of a stream that was read and not yet used."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._text, self._at = stream, "", 0

    def peek(self) -> str:
        """Return the next character that is no blank; nothing at the end."""
        while True:
            match = _BLANK.match(self._text, self._at)
            self._at = self._at if match is None else match.end()
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, expected: str) -> None:
        """Pass over a character.

        Raises:
            DataError: Another one is there.
        """
        if self.peek() != expected:
            raise DataError(f"it has '{self.peek()}' where '{expected}' should be")
        self._at += 1

    def value(self) -> Any:
        """Decode the next value.

        Raises:
            DataError: It is no JSON, has two values for one key, or the stream ends within it.
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise DataError("it is nested too deeply") from None
            except DoubledKeyError as error:
                raise DataError(str(error)) from error
            except ValueError as error:
                # Doubled each time, so that a long value is decoded twice on average.
                if len(self._text) - self._at > _LARGEST or not self._more(double=True):
                    raise DataError(str(error)) from error
                continue
            # A number may go on behind the end of what was read.
            if end == len(self._text) and self._more():
                continue
            self._at = end
            return value

    def _more(self, *, double: bool = False) -> bool:
        rest = self._text[self._at :]
        block = self._stream.read(max(_CHUNK, len(rest) if double else 0))
        self._text, self._at = rest + block, 0
        return bool(block)


def members(
    stream: TextIO, lists: Collection[str] = ()
) -> Iterator[tuple[str | None, str | None, Any]]:
    """Yield the members of a file's outermost object, or the entries of its outermost list.

    Args:
        stream: The text.
        lists: Keys of members that are yielded entry by entry, where they are lists.

    Yields:
        The key of the list that an entry is in, or None; the key of a member, or None; the value.

    Raises:
        DataError: It is no JSON; the message is the end of a sentence. What comes before the fault
            has been yielded.
    """
    buffer = _Buffer(stream)
    if buffer.peek() == "[":
        yield from ((None, None, value) for value in _entries(buffer))
    elif buffer.peek() == "{":
        buffer.take("{")
        while buffer.peek() != "}":
            key = buffer.value()
            buffer.take(":")
            if key in lists and buffer.peek() == "[":
                yield from ((key, None, value) for value in _entries(buffer))
            else:
                yield None, str(key), buffer.value()
            if buffer.peek() != "}":
                buffer.take(",")
        buffer.take("}")
    else:
        raise DataError("it holds neither a list nor an object")
    if buffer.peek():
        raise DataError(f"it has '{buffer.peek()}' behind its end")


def _entries(buffer: _Buffer) -> Iterator[Any]:
    buffer.take("[")
    while buffer.peek() != "]":
        yield buffer.value()
        if buffer.peek() != "]":
            buffer.take(",")
    buffer.take("]")
