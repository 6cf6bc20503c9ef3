"""Stresses in the conventions of the field, as users declare them: ``stress=kbar:vasp``.

Stored is ASE's: eV/Å³, positive under tension. VASP, and most sets of data made with it, has kbar,
positive under compression. A virial is an energy: minus the stress times the volume of the cell
(positive under compression) in GPUMD, DeePMD-kit and MTP, and so it is read unless the user says
``ase``. The order of six numbers is xx, yy, zz, yz, xz, xy (Voigt's), unless another is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matsciml_core.errors import ConfigError, DataError

VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
VASP_ORDER = ("xx", "yy", "zz", "xy", "yz", "zx")
"""Of the six numbers in VASP's OUTCAR."""
SIGNS = {"ase": 1.0, "vasp": -1.0}
"""Convention → what a stress is multiplied by to be positive under tension."""
_EV_PER_A3 = 160.21766208
"""GPa; CODATA 2018, exact from the elementary charge."""
UNITS = {
    "kbar": 0.1 / _EV_PER_A3,
    "kb": 0.1 / _EV_PER_A3,
    "gpa": 1 / _EV_PER_A3,
    "ev/a^3": 1.0,
    "ev/å³": 1.0,
    "ev/a3": 1.0,
    "ev/ang^3": 1.0,
    "ha/bohr^3": 27.211386245981 / 0.529177210544**3,
}
"""Unit of a stress in lower case → eV/Å³."""
VIRIAL_UNITS = {"ev": 1.0, "ha": 27.211386245981, "hartree": 27.211386245981}
"""Unit of a virial in lower case → eV."""
_ORDER = re.compile(r"[xyz]{2}(,[xyz]{2}){5}")


@dataclass(frozen=True, kw_only=True)
class StressForm:
    """How a source writes a stress."""

    unit: str
    """As the user wrote it."""
    factor: float
    """What a number is multiplied by to be in eV/Å³, positive under tension; of a virial, in eV."""
    virial: bool = False
    """Whether it is to be divided by the volume."""
    convention: str = "ase"
    order: tuple[str, ...] = VOIGT
    """Of six numbers."""

    @property
    def title(self) -> str:
        """The form in words, for the summary of an import."""
        kind = "virial in " if self.virial else ""
        sign = "tension" if self.convention == "ase" else "compression"
        order = "" if self.order == VOIGT else f", in the order {' '.join(self.order)}"
        divided = " by division by the volume" if self.virial else ""
        return f"{kind}{self.unit}, positive under {sign}{order} → eV/Å³, ASE's sign{divided}"

    def read(self, values: NDArray[np.float64], cell: ArrayLike) -> NDArray[np.float64]:
        """Return the stress, ``(3, 3)``, eV/Å³, positive under tension.

        Args:
            values: Six or nine numbers of the file, ``(6,)``, ``(9,)`` or ``(3, 3)``, in the unit
                of the form.
            cell: Lattice vectors as rows, ``(3, 3)``, Å.

        Raises:
            DataError: There are fewer or more, the nine are no symmetric matrix, or a virial has no
                volume to be divided by.
        """
        if values.size == 9:
            tensor = values.reshape(3, 3)
        elif values.size == 6:
            tensor = values.ravel()[_places(self.order)]
        else:
            raise DataError("The label 'stress' has a wrong number of values.")
        tensor = tensor * self.factor
        if not self.virial:
            return require_symmetric("stress", tensor)
        volume = float(abs(np.linalg.det(np.asarray(cell, dtype=np.float64))))
        if volume < 1e-6:  # Å³, as in Crystal
            raise DataError("The virial cannot be divided by the volume: there is no cell.")
        return require_symmetric("stress", tensor / volume)


def require_symmetric(label: str, tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a symmetric matrix, ``(3, 3)``, as it is.

    Rounding, and noise of the program that computed it, may differ across the diagonal: up to a
    hundredth of the largest component, and 1e-5 of the unit.

    Args:
        label: What it is, for the error.
        tensor: The matrix, ``(3, 3)``, in any unit.

    Raises:
        DataError: It is not symmetric: it was written as a triangle, or is something else.
    """
    (_, xy, xz), (yx, _, yz), (zx, zy, _) = tensor.tolist()
    if xy == yx and xz == zx and yz == zy:  # six numbers are; NumPy takes ten times as long to say
        return tensor
    difference = np.abs(tensor - tensor.T)
    if np.max(difference) > max(1e-2 * np.max(np.abs(tensor)), 1e-5):  # False of NaN: missing
        row, column = np.unravel_index(np.argmax(difference), (3, 3))
        upper, lower = tensor[row, column], tensor[column, row]
        raise DataError(
            f"The label '{label}' is no symmetric matrix: {upper:.4g} stands across the diagonal "
            f"from {lower:.4g}."
        )
    return tensor


@cache
def _places(order: tuple[str, ...]) -> NDArray[np.int64]:
    """Return which of six numbers stands at each place of a matrix, ``(3, 3)``."""
    places = {frozenset(pair): index for index, pair in enumerate(order)}
    return np.array([[places[frozenset((row, column))] for column in "xyz"] for row in "xyz"])


def parse_stress(name: str, words: Sequence[str]) -> tuple[StressForm, list[str]] | None:
    """Return the form that the end of a declaration names, and the words before it.

    Args:
        name: Of the label: with ``virial`` or ``stress`` in it, units of both are taken.
        words: What stands behind ``NAME=``, split at colons.

    Returns:
        None where it is no stress.

    Raises:
        ConfigError: The unit leaves the sign open, or the order or convention is none.
    """
    rest = list(words)
    order: tuple[str, ...] = VOIGT
    if _ORDER.fullmatch(rest[-1].replace(" ", "")):
        order = tuple(rest.pop().replace(" ", "").split(","))
        if {"".join(sorted(pair)) for pair in order} != {"".join(sorted(p)) for p in VOIGT}:
            raise ConfigError(
                f"The order '{','.join(order)}' of '{name}' has not each of xx, yy, zz, yz, xz and "
                "xy once; correct it."
            )
    convention = rest.pop().lower() if len(rest) > 1 and rest[-1].lower() in SIGNS else ""
    unit = rest[-1].strip() if rest else ""
    said = bool(convention) or order != VOIGT
    key = unit.lower()
    if not ("stress" in name or "virial" in name or said) or key not in {**UNITS, **VIRIAL_UNITS}:
        if said:
            raise ConfigError(
                f"'{name}' has the unit '{unit}', which is none of a stress or a virial; use kbar, "
                "GPa or eV/A^3, or eV for a virial."
            )
        return None
    virial = key in VIRIAL_UNITS
    if not convention and not virial and UNITS[key] != 1.0:
        raise ConfigError(
            f"'{name}={unit}' leaves the sign open; write {unit}:vasp where compression is "
            f"positive, as in VASP's output, or {unit}:ase where tension is."
        )
    convention = convention or ("vasp" if virial else "ase")
    factor = SIGNS[convention] * {**UNITS, **VIRIAL_UNITS}[key]
    form = StressForm(unit=unit, factor=factor, virial=virial, convention=convention, order=order)
    return form, rest[:-1]
