"""Symbols of the space groups."""

from __future__ import annotations

from functools import cache


@cache
def symbol_of(number: int) -> str:
    """Return the Hermann-Mauguin symbol of a space group, 1 to 230, as pymatgen writes it.

    >>> symbol_of(225)
    'Fm-3m'
    """
    from pymatgen.symmetry.groups import sg_symbol_from_int_number  # noqa: PLC0415 - heavy

    return str(sg_symbol_from_int_number(number))
