"""Composition validity: can the charges balance, with cations less electronegative than anions?"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.elements import symbol

OxidationTable = Literal["smact14", "icsd16", "icsd24"]
"""Lists of oxidation states: SMACT's own of 2014, and those seen in the ICSD of 2016 and 2024."""
DEFAULT_TABLE: OxidationTable = "smact14"
"""The list that the published numbers were computed with: that of SMACT 2.2.1."""


@dataclass(frozen=True)
class Element:
    """The data of an element that the rules need."""

    oxidation_states: tuple[int, ...]
    electronegativity: float | None
    """Pauling's, dimensionless; None: not known."""
    is_metal: bool


def is_valid_composition(
    atomic_numbers: Sequence[int], table: OxidationTable = DEFAULT_TABLE
) -> bool:
    """Return whether a composition is chemically plausible.

    A single element is, and so is an alloy: metals only. Anything else needs one oxidation state
    for each element, the same for all its atoms, such that the charges add up to zero and every
    cation is less electronegative than every anion (Pauling's test; an electronegativity that is
    not known passes). The elements' data are SMACT's.

    The rules are those that CDVAE's program took from SMACT 2.2.1. Later releases of SMACT changed
    two of them: their default list of oxidation states is another one, and an electronegativity
    that is not known fails; numbers computed with those do not compare.

    Args:
        atomic_numbers: Of all atoms, in any order; empty: not plausible.
        table: The list of oxidation states.

    Raises:
        ConfigError: There is no such list.

    References:
        Xie et al., ICLR (2022), section 5.2, "Validity"; doi:10.48550/arXiv.2110.06197.
        Davies et al., SMACT: semiconducting materials by analogy and chemical theory, J. Open
        Source Softw. 4, 1361 (2019), doi:10.21105/joss.01361.
    """
    counts = Counter(atomic_numbers)
    if len(counts) < 2:
        return bool(counts)
    elements = []
    for number in counts:
        element = element_data(number, table)
        if element is None:
            return False  # without an oxidation state its charge cannot balance any other
        elements.append(element)
    if all(element.is_metal for element in elements):
        return True
    # Charges of Na2Cl2 balance exactly where those of NaCl do.
    divisor = math.gcd(*counts.values())
    return can_balance(elements, [count // divisor for count in counts.values()])


@cache
def element_data(atomic_number: int, table: OxidationTable) -> Element | None:
    """Return SMACT's data of an element; None where SMACT has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations within the packages that SMACT uses
        import smact  # noqa: PLC0415 - takes a second
    if table not in get_args(OxidationTable):
        raise ConfigError(
            f"There is no list of oxidation states '{table}'; lists: "
            f"{', '.join(get_args(OxidationTable))}."
        )
    name = symbol(atomic_number)
    try:
        data = smact.Element(name)
    except (KeyError, NameError):
        return None
    states = getattr(data, f"oxidation_states_{table}") or ()
    value = data.pauling_eneg
    return Element(
        oxidation_states=tuple(int(state) for state in states),
        electronegativity=None if value is None else float(value),
        is_metal=name in smact.metals,
    )


def can_balance(elements: Sequence[Element], counts: Sequence[int]) -> bool:
    """Return whether charges can balance under Pauling's test.

    The test holds for a choice of states exactly where some threshold has all cations below it
    and all anions at or above it. So every threshold is tried, and for each the sums of charges
    that can be reached are collected; trying all combinations of states would take the product
    of their numbers.

    Args:
        elements: The different elements.
        counts: Atoms of each.
    """
    values = {e.electronegativity for e in elements if e.electronegativity is not None}
    for threshold in (*sorted(values), math.inf):
        sums = {0}
        for element, count in zip(elements, counts, strict=True):
            value = element.electronegativity
            allowed = [
                state
                for state in element.oxidation_states
                # A neutral atom is neither cation nor anion, and an unknown value passes.
                if state == 0 or value is None or (state > 0) == (value < threshold)
            ]
            sums = {total + state * count for total in sums for state in allowed}
        if 0 in sums:
            return True
    return False
