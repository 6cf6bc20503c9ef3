"""What files of LAMMPS leave open: units, and the elements of types.

LAMMPS calculates with numbers, whose unit its input file sets, and with types, which it need not
know the elements of. Both are asked for where a file does not say them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses
from numpy.typing import NDArray

from matsciml_core.data.readers import InputFile
from matsciml_core.data.readers.isotopes import isotope_masses
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.elements import SYMBOLS, symbol
from matsciml_reader_ase.abinit import BOHR, HARTREE
from matsciml_reader_ase.config import LammpsConfig

_JOULE = 1 / 1.602176634e-19
"""eV."""


@dataclass(frozen=True)
class Units:
    """What the numbers of a unit style are multiplied by; manual of LAMMPS, ``units``."""

    length: float = 1.0
    """Å."""
    force: float = 1.0
    """eV/Å."""
    velocity: float = 1.0
    """Å/fs."""
    charge: float = 1.0
    """e."""
    mass: float = 1.0
    """u."""


UNITS = {
    "metal": Units(velocity=1e-3),
    "real": Units(force=0.043364104241800),
    # Its unit of velocity is a bohr in 1.03275 fs, and not in the atomic unit of time.
    "electron": Units(length=BOHR, force=HARTREE / BOHR, velocity=BOHR / 1.03275),
    "si": Units(
        length=1e10,
        force=_JOULE * 1e-10,
        velocity=1e-5,
        charge=_JOULE,
        mass=1 / 1.66053906892e-27,
    ),
}
_MOST = 0.15
"""By which part a mass may differ from its element's: lithium-6 and chlorine-37 are allowed."""


def units_of(file: InputFile, stated: str, config: LammpsConfig) -> Units:
    """Return the units of a file.

    Args:
        file: The file.
        stated: What the file says; empty: nothing.
        config: What the user says.

    Raises:
        ConfigError: Neither says them, or both do and differ.
        DataError: They are reduced or unusual ones.
    """
    if stated and config.units and stated != config.units:
        raise ConfigError(
            f"'{file.path}' says that its units are '{stated}', and --set units={config.units} "
            "says otherwise; leave the setting out."
        )
    name = stated or config.units
    if not name:
        raise ConfigError(
            f"'{file.path}' does not say in which units LAMMPS ran; write --set units=metal, or "
            f"one of {', '.join(list(UNITS)[1:])}, as in the input of the run."
        )
    if name not in UNITS:
        raise DataError(
            f"'{file.path}' is in LAMMPS's units '{name}', which are not read; of lj, whose "
            "numbers have no unit, there is no crystal, and others can be written as metal."
        )
    return UNITS[name]


def check_masses(numbers: NDArray[np.int64], masses: NDArray[np.float64]) -> None:
    """Compare elements with the masses that LAMMPS moved, which tell types that were mixed up.

    Args:
        numbers: Atomic numbers, ``(atoms,)``.
        masses: ``(atoms,)``, u.

    Raises:
        DataError: An atom is no isotope of its element.
    """
    usual = atomic_masses[numbers]
    # Hydrogen is a matter of its own: deuterium, tritium, and what makes water move slowly.
    wrong = (np.abs(masses - usual) > _MOST * usual) & ((numbers != 1) | (masses > 4.1))
    if wrong.any():
        first = int(np.argmax(wrong))
        closest = symbol(
            1 + int(np.argmin(np.abs(atomic_masses[1 : len(SYMBOLS)] - masses[first])))
        )
        raise DataError(
            f"An atom of {masses[first]:.6g} u is said to be {symbol(int(numbers[first]))}, and "
            f"has the mass of {closest}; name the elements of the types with --set elements, from "
            "type 1 on."
        )


def isotopes_of(
    symbols: Sequence[str], numbers: NDArray[np.int64], masses: NDArray[np.float64] | None
) -> Mapping[str, NDArray[np.float64]]:
    """Return ``masses``, ``(atoms,)``, u, where some differ from their element's; else nothing.

    Args:
        symbols: Symbols of the atoms, among them those of isotopes.
        numbers: Atomic numbers, ``(atoms,)``.
        masses: ``(atoms,)``, u; None: the file has none.
    """
    if masses is None:
        return isotope_masses(symbols)
    unusual = np.abs(masses - atomic_masses[numbers]) > 0.1
    return {"masses": np.where(unusual, masses, np.nan)} if unusual.any() else {}
