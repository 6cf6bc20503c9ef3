"""Structures from text and JSON: pymatgen's dictionaries, CIF, POSCAR."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from matsciml_core.data.importing.frames import Frame
from matsciml_core.data.ingestion import Rejection

_DISORDERED = "A site holds several species, or is only partly occupied."


def frame_from_structure(
    data: Mapping[str, Any], name: str, values: dict[str, Any]
) -> Frame | Rejection:
    """Return the record of pymatgen's ``Structure.as_dict()``, without importing pymatgen.

    Args:
        data: The dictionary.
        name: What the record is called.
        values: What was written beside it.

    Returns:
        A frame, or a rejection.
    """
    try:
        lattice = data["lattice"]
        cell = np.array(lattice["matrix"], dtype=np.float64)
        species = [site["species"] for site in data["sites"]]
        fractional = np.array([site["abc"] for site in data["sites"]], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        return Rejection(name, "The structure is no pymatgen dictionary.")
    if any(len(site) != 1 or site[0].get("occu", 1) != 1 for site in species):
        return Rejection(name, _DISORDERED)
    found = [atomic_number(site[0].get("element", "")) for site in species]
    numbers = [number for number in found if number is not None]
    if len(numbers) < len(found):
        return Rejection(name, "A site holds no chemical element.")
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=fractional @ cell,
        cell=cell,
        pbc=lattice.get("pbc", (True, True, True)),
        values=values,
    )


def frame_from_text(text: str, form: str, name: str, values: dict[str, Any]) -> Frame | Rejection:
    """Return the record of a CIF or POSCAR file, read by pymatgen.

    Args:
        text: The file.
        form: ``cif`` or ``poscar``.
        name: What the record is called.
        values: What was written beside it.

    Returns:
        A frame, or a rejection.
    """
    from pymatgen.core.structure import Structure  # noqa: PLC0415 - heavy

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rounding of coordinates and the like
            structure = Structure.from_str(text, fmt=form)  # type: ignore[arg-type]
    except Exception as error:
        return Rejection(name, f"pymatgen cannot read the {form}: {type(error).__name__}.")
    if not structure.is_ordered:
        return Rejection(name, _DISORDERED)
    return Frame(
        name=name,
        atomic_numbers=[site.specie.Z for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        values=values,
    )


def atomic_number(symbol: str) -> int | None:
    """Return the atomic number of an element's symbol, oxidation state and isotope ignored.

    >>> atomic_number("Fe3+"), atomic_number("D"), atomic_number("X")
    (26, 1, None)
    """
    letters = "".join(letter for letter in symbol if letter.isalpha())
    return _NUMBERS.get(letters)


_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm "
    "Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
_NUMBERS = {symbol: number for number, symbol in enumerate(_SYMBOLS.split(), 1)} | {"D": 1, "T": 1}
