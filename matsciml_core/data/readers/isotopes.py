"""Isotopes that have symbols of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ISOTOPES = {"D": 2.014101778, "T": 3.016049281}
"""Masses, u; Wang et al., Chinese Phys. C 45, 030003 (2021), AME 2020."""


def isotope_masses(symbols: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return ``masses`` ``(atoms,)``, u, where isotopes have names of their own; else nothing.

    Args:
        symbols: Symbols of the atoms.

    Returns:
        NaN stands for an atom that is as heavy as its element.
    """
    if not any(symbol in ISOTOPES for symbol in symbols):
        return {}
    return {"masses": np.array([ISOTOPES.get(symbol, np.nan) for symbol in symbols])}
