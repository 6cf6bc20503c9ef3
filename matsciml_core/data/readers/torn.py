"""Numbers in which a file ends: of 0.12345678 there may be 0.1, which is a number, too."""

from __future__ import annotations

import re
from collections.abc import Sequence

_REAL = re.compile(r"[+-]?\d*\.(\d*)([eEdD][+-]?\d+)?")
_ENOUGH = 2
"""Numbers that tell how many digits the last one of a column should have."""
_MANY = 30
"""Numbers that tell it to the digit."""


def lacks_digits(last: str, others: Sequence[str]) -> bool:
    """Tell whether a number seems to have lost its last digits.

    Programs that print all digits of a number, or as many as they always do, leave two fewer than
    in every other number once in a hundred times, and one fewer once in ten; so one that is missing
    counts only where many others have it. Whole numbers in Python's spelling, ``3.0``, are whole.

    Args:
        last: The number in which a file without an end of its last line ends, in any unit.
        others: The numbers before it in the same column.

    Returns:
        True where a user should look; False where fewer than two others, or others that are no
        decimal numbers, tell nothing.
    """
    matches = [_REAL.fullmatch(other) for other in others]
    reals = [match for match in matches if match is not None]
    if len(reals) < max(len(matches), _ENOUGH) or last.endswith(".0"):
        return False
    found = _REAL.fullmatch(last)
    if all(real[2] for real in reals):
        return found is None or found[2] is None
    decimals = [len(real[1]) for real in reals]
    missing = min(decimals) - (0 if found is None else len(found[1]))
    to_the_digit = len(reals) >= _MANY and min(decimals) == max(decimals)
    return missing >= (1 if to_the_digit else 2)
