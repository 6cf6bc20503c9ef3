"""What a CIF states of its contents, against what its sites make: formula sum and units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import SYMBOLS, atomic_number, symbol

COUNT = re.compile(r"([A-Z][a-z]?)\s*(\d*\.?\d*)")
"""An element of a formula, and how many of its atoms."""
_TOLERANCE = 0.01
"""Of an element's share: formula sums are rounded."""
_ELEMENTS = {*SYMBOLS, "D", "T"}


def check_formula(stated: str, symbols: Sequence[str]) -> None:
    """Reject sites whose composition is not that of the formula sum.

    Args:
        stated: The formula sum; empty: none.
        symbols: Element or isotope of each atom of the cell.

    Raises:
        DataError: It is not.
    """
    counts = {
        entry: float(count or 1) for entry, count in COUNT.findall(stated) if entry in _ELEMENTS
    }
    if not counts or stated in ("?", "."):
        return
    expected: Counter[str] = Counter()
    for entry, count in counts.items():
        expected[symbol(atomic_number(entry) or 0)] += count  # type: ignore[assignment]
    sites = Counter(symbol(atomic_number(entry) or 0) for entry in symbols)
    shares = [
        {entry: count / sum(each.values()) for entry, count in each.items()}
        for each in (expected, sites)
    ]
    off = [
        entry
        for entry in shares[0].keys() | shares[1].keys()
        if abs(shares[0].get(entry, 0) - shares[1].get(entry, 0)) > _TOLERANCE
    ]
    if off:
        shown = " ".join(f"{entry}{count}" for entry, count in sorted(sites.items()))
        raise DataError(
            f"The formula sum of the CIF is '{stated}', and its sites hold '{shown}'; hydrogens or "
            "other atoms have no coordinates there."
        )


def atoms_by_formula(data: Mapping[str, Any]) -> set[int] | None:
    """Return how many atoms a cell may have, by formula sum and number of units; None: unsaid.

    Args:
        data: The block.
    """
    units = str(data.get("_cell_formula_units_z", ""))
    counts = [
        float(count or 1)
        for entry, count in COUNT.findall(str(data.get("_chemical_formula_sum", "")))
        if entry in _ELEMENTS
    ]
    if not units.isdigit() or not int(units) or not counts:
        return None
    atoms = {round(int(units) * sum(counts))}
    # pymatgen and ASE write the sum of the whole cell, and how many units that is.
    whole = all(abs(count / int(units) - round(count / int(units))) < 1e-6 for count in counts)
    return atoms | ({round(sum(counts))} if whole else set())


def check_units(data: Mapping[str, Any], atoms: int) -> None:
    """Reject sites that are those of an asymmetric unit, where no operations are known.

    Args:
        data: The block.
        atoms: Atoms that the sites make.

    Raises:
        DataError: The cell has another number of atoms by its formula units.
    """
    expected = atoms_by_formula(data)
    if expected is not None and atoms not in expected:
        raise DataError(
            f"The CIF states {data['_cell_formula_units_z']} units of "
            f"'{data['_chemical_formula_sum']}' in the cell, and its sites make {atoms} atoms; "
            "are operations of the space group missing (_space_group_symop_operation_xyz)?"
        )
