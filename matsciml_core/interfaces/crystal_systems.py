"""The seven crystal systems, by space-group number."""

from __future__ import annotations

FIRST_SPACE_GROUPS = {
    "triclinic": 1,
    "monoclinic": 3,
    "orthorhombic": 16,
    "tetragonal": 75,
    "trigonal": 143,
    "hexagonal": 168,
    "cubic": 195,
}
"""First international number of each crystal system, ascending."""
SPACE_GROUPS = 230
"""Their number; a label of so many classes holds the space group, class 0 that of number 1."""


def crystal_system(space_group: int) -> str:
    """Return the crystal system of a space group, given by its international number, 1 to 230.

    >>> crystal_system(225)
    'cubic'
    """
    return [name for name, first in FIRST_SPACE_GROUPS.items() if first <= space_group][-1]
