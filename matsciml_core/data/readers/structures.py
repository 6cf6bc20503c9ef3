"""Structures from text and JSON: pymatgen's dictionaries, CIF, POSCAR."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.readers.frames import Frame
from matsciml_core.interfaces.elements import SYMBOLS
from matsciml_core.interfaces.held import held_properties

_SELECTIVE = "selective_dynamics"
"""What pymatgen calls the flags of a POSCAR."""
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
    elements = map(atomic_number, (site[0].get("element", "") for site in species))
    numbers = [number for number in elements if number is not None]
    if len(numbers) < len(species):
        return Rejection(name, "A site holds no chemical element.")
    dynamics = [(site.get("properties") or {}).get(_SELECTIVE) for site in data["sites"]]
    # "abc" and not "xyz": some files hold the latter from before the lattice was changed.
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=fractional @ cell,
        cell=cell,
        pbc=lattice.get("pbc", (True, True, True)),
        values=_isotopes([site[0].get("element", "") for site in species]) | values,
        site_properties=_held(dynamics),
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

    if not text.strip():
        return Rejection(name, "There is no structure.")
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
        # An isotope calls itself H; its name and that of the element of an ion are D.
        values=_isotopes([getattr(site.specie, "element", site.specie).name for site in structure])
        | values,
        site_properties=_held(structure.site_properties.get(_SELECTIVE, [])),
    )


def _held(dynamics: Sequence[Any]) -> dict[str, NDArray[np.uint8]]:
    """Return what VASP's selective dynamics hold: T is free, and directions are lattice vectors."""
    free = [(True, True, True) if flags is None else flags for flags in dynamics]
    if not any(flags is not None for flags in dynamics):
        return {}
    return held_properties(np.logical_not(np.array(free, dtype=bool)), along_lattice=True)


def _isotopes(symbols: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the masses of the atoms, u, where isotopes have names of their own; else nothing."""
    if not any(symbol in _ISOTOPES for symbol in symbols):
        return {}
    # NaN: as heavy as the element is.
    return {"masses": np.array([_ISOTOPES.get(symbol, np.nan) for symbol in symbols])}


def numbers_of_sites(
    sites: Sequence[str] | None, species: Sequence[Mapping[str, Any]] | None
) -> list[int] | None:
    """Return the atomic numbers of the sites of a structure as OPTIMADE describes it.

    Args:
        sites: ``species_at_sites``, the name of the species at each site.
        species: What each species is; None or empty: its name is an element's symbol.

    Returns:
        The numbers; None where there is no site, or one that is not exactly one atom.
    """
    single = {
        kind.get("name"): kind["chemical_symbols"][0]
        for kind in species or []
        if len(kind.get("chemical_symbols") or ()) == 1
        and kind.get("concentration", [1.0]) == [1.0]
    }
    symbols = [single.get(site, "") if species else site for site in sites or []]
    numbers = [number for number in map(atomic_number, symbols) if number is not None]
    return numbers if numbers and len(numbers) == len(symbols) else None


def atomic_number(symbol: str) -> int | None:
    """Return the atomic number of an element's symbol, oxidation state and isotope ignored.

    >>> atomic_number("Fe3+"), atomic_number("D"), atomic_number("X")
    (26, 1, None)
    """
    letters = "".join(letter for letter in symbol if letter.isalpha())
    return _NUMBERS.get(letters)


_ISOTOPES = {"D": 2.014101778, "T": 3.016049281}
"""Masses, u; Wang et al., Chinese Phys. C 45, 030003 (2021), AME 2020."""
_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, 1)} | {"D": 1, "T": 1}
