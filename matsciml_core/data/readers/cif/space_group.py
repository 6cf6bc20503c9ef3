"""Operations of a space group that a file names and does not list.

A symbol alone is often not enough: seven groups of trigonal crystals have two sets of axes, 24
others two origins, and a monoclinic one has its axis along b or c. pymatgen 2026.10 takes one of
them, or, where its table lacks the spelling (``P 21/n``, ``F d -3 m :1``, ``Fm3m``), the identity,
with a warning: of silicon in the first origin one atom is left of eight. Here every reading whose
operations the cell has is returned, and it is for the caller to tell them apart.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import DataError

Operations = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Rotations ``(operations, 3, 3)`` and shifts ``(operations, 3)``, dimensionless."""
_HALL_NUMBERS = range(1, 531)
_SETTING = re.compile(r"(?:\s*:\s*|\s+)([A-Za-z]?\d?|HR|RS)$")
_SETTINGS = {"s": "1", "z": "2", "hr": "h", "rs": "r"}
"""What the Inorganic Crystal Structure Database writes behind a symbol."""
_SUFFIXES = frozenset({"1", "2", "h", "r", *_SETTINGS})
_MONOCLINIC = range(3, 16)
_FIRST_CUBIC = 195
_STANDARD = frozenset({"", "1", "2", "H", "R", "a", "b", "c", "a1", "b1", "c1"})
"""Settings that a number alone may mean: no exchange of axes, the first choice of the cell."""
_GLIDES = re.compile(r"[abc]")
EXACT, ROUGH = 2e-4, 0.02
"""Largest difference of a metric tensor from its image, by the lengths of its vectors: of rounded
numbers, and of a cell that was refined without its symmetry."""


def named_operations(
    symbol: str, hall: str, number: int | None, cell: NDArray[np.float64]
) -> list[Operations]:
    """Return the sets of operations that names may mean, those alone that the cell has.

    Args:
        symbol: Of Hermann and Mauguin, with or without a setting, ``F d -3 m :1``; empty: none.
        hall: The symbol of Hall, which leaves nothing open; empty: none.
        number: Of the International Tables; None: none.
        cell: Lattice vectors as rows, ``(3, 3)``, Å.

    Raises:
        DataError: No space group is called so, or the cell has not its symmetry.

    References:
        International Tables for Crystallography, volume A, and Hall, Acta Cryst. A 37, 517 (1981),
        doi:10.1107/S0567739481001228, as tabulated by moyopy.
    """
    groups = _groups()
    if hall:
        numbers = [index for index, group in groups.items() if group.hall == _hall_key(hall)]
    elif symbol:
        numbers = _of_symbol(symbol)
    else:
        standard = (index for index, group in groups.items() if group.setting in _STANDARD)
        numbers = [index for index in standard if groups[index].number == number]
    shown = symbol or hall or str(number)
    if number is not None:
        both = [index for index in numbers if groups[index].number == number]
        if numbers and not both:
            raise DataError(
                f"The file names the space group '{shown}' and the number {number}, which is "
                "another one; correct it, or list the operations."
            )
        numbers = both
    if not numbers:
        raise DataError(
            f"The file names the space group '{shown}', which is unknown, and lists no operations; "
            "add them (_space_group_symop_operation_xyz)."
        )
    for tolerance in (EXACT, ROUGH):
        fitting = [index for index in numbers if _misfit(_operations(index)[0], cell) < tolerance]
        if fitting:
            break
    else:
        raise DataError(f"The cell has not the symmetry of the space group '{shown}'.")
    # A right angle more than needed: by custom b is the axis, which comes first.
    if groups[fitting[0]].number in _MONOCLINIC:
        fitting = fitting[:1]
    # Two of the table's settings are one: of Ccce in its first origin, with a and b exchanged.
    distinct = {_as_set(_operations(index)): index for index in reversed(fitting)}
    return [_operations(index) for index in reversed(distinct.values())]


def check_metric(rotations: NDArray[np.float64], cell: NDArray[np.float64]) -> None:
    """Reject operations that do not leave the cell as it is.

    Args:
        rotations: In lattice vectors, ``(operations, 3, 3)``, dimensionless.
        cell: Lattice vectors as rows, ``(3, 3)``, Å.

    Raises:
        DataError: They do not: hexagonal ones for a rhombohedral cell, for example.
    """
    if _misfit(rotations, cell) > ROUGH:
        raise DataError("The cell has not the symmetry of the operations that the file lists.")


class _Group:
    """A space group in one of its settings."""

    def __init__(self, hall_number: int) -> None:
        from moyopy import HallSymbolEntry  # noqa: PLC0415 - not where no group is named

        entry = HallSymbolEntry(hall_number)
        self.number: int = entry.number
        self.setting = str(entry.setting)  # typed otherwise in moyopy 0.21
        self.hall = _hall_key(entry.hall_symbol)
        self.names = {_key(entry.hm_full)}
        if self.number in _MONOCLINIC:
            # The short symbol of the table is that of one cell; P 1 21/n 1 is written P 21/n.
            axis = " ".join(part for part in entry.hm_full.split() if part != "1")
            self.names.add(_key(axis))
        else:
            self.names.add(_key(entry.hm_short))
        if self.number >= _FIRST_CUBIC:  # in the older spelling, Fm3m
            self.names |= {name.replace("-3", "3") for name in self.names}


@cache
def _groups() -> dict[int, _Group]:
    return {index: _Group(index) for index in _HALL_NUMBERS}


def _key(symbol: str) -> str:
    return re.sub(r"[\s_()]", "", symbol).lower()


def _hall_key(symbol: str) -> str:
    # Blanks count: P 32 has a screw axis, and P 3 2 two axes.
    return " ".join(symbol.replace("_", " ").split()).lower().replace('"', "=")


def _of_symbol(symbol: str) -> list[int]:
    """Return the settings that a symbol may mean."""
    text, setting = symbol.strip(), ""
    match = _SETTING.search(text)
    groups = _groups()
    names = {name for group in groups.values() for name in group.names}
    if match and match[1].lower() in _SUFFIXES and (":" in match[0] or _key(text) not in names):
        setting = _SETTINGS.get(match[1].lower(), match[1].lower())
        text = text[: match.start()]
    key = _key(text)
    numbers = [index for index, group in groups.items() if key in group.names]
    # Since 1992 the letter e stands for two glides at once: Cmce for what was Cmca.
    if not numbers:
        numbers = [
            index
            for index, group in groups.items()
            if any("e" in name and _same_glides(key, name) for name in group.names)
        ]
    return [
        index
        for index in numbers
        if not setting or groups[index].setting.lower().startswith(setting)
    ]


def _same_glides(key: str, name: str) -> bool:
    return len(key) == len(name) and all(
        new == old or (new == "e" and bool(_GLIDES.fullmatch(old)))
        for old, new in zip(key, name, strict=True)
    )


@cache
def _operations(hall_number: int) -> Operations:
    from moyopy import Setting, operations_from_number  # noqa: PLC0415

    setting = Setting.hall_number(hall_number)
    operations = operations_from_number(_groups()[hall_number].number, setting=setting)
    rotations = np.array(operations.rotations, dtype=np.float64)
    return rotations, np.array(operations.translations, dtype=np.float64)


def _as_set(operations: Operations) -> frozenset[bytes]:
    rows = np.concatenate([operations[0].reshape(-1, 9), operations[1] * 24 % 24], axis=1)
    return frozenset(row.tobytes() for row in np.rint(rows).astype(np.int8))


def _misfit(rotations: NDArray[np.float64], cell: NDArray[np.float64]) -> float:
    """Return how far the metric tensor is from its images, relative to lengths."""
    metric = cell @ cell.T
    lengths = np.sqrt(np.diag(metric))
    images = np.swapaxes(rotations, 1, 2) @ metric @ rotations
    return float(np.abs((images - metric) / np.outer(lengths, lengths)).max())
