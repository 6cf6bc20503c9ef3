"""Which ids came before, in little memory."""

from __future__ import annotations

from array import array

_SMALLEST = 1 << 10
"""Slots of an empty table."""


class IdHashes:
    """Remembers the hashes of ids: 12 to 24 bytes for each, where a set of numbers takes 70 to 100.

    A table with open addressing and linear probing, at most two thirds full. Two of ten million
    different ids have the same 64 bits with a probability of 3·10⁻⁶.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._slots = array("q", bytes(8 * _SMALLEST))
        self._count = 0

    def add(self, text: str) -> bool:
        """Remember an id, and return whether it is new."""
        added = self._insert(hash(text) or 1)  # 0 marks a free slot
        if 3 * self._count > 2 * len(self._slots):
            held = self._slots
            self._slots, self._count = array("q", bytes(16 * len(held))), 0
            for value in held:
                if value:
                    self._insert(value)
        return added

    def _insert(self, value: int) -> bool:
        slots, mask = self._slots, len(self._slots) - 1
        place = value & mask
        while held := slots[place]:
            if held == value:
                return False
            place = (place + 1) & mask
        slots[place] = value
        self._count += 1
        return True
