"""Structures from text and JSON: pymatgen's dictionaries, CIF, POSCAR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.readers.cif import joined_cif
from matsciml_core.data.readers.frames import Frame
from matsciml_core.data.readers.isotopes import ISOTOPES, isotope_masses
from matsciml_core.data.readers.poscar import frame_from_poscar
from matsciml_core.guarded import parse_json
from matsciml_core.interfaces.elements import atomic_number
from matsciml_core.interfaces.held import held_properties

_SELECTIVE = "selective_dynamics"
"""What pymatgen calls the flags of a POSCAR."""
_PLAIN_SPECIES = 2
"""Members of a species that is an element, and has an occupancy."""
_DISORDERED = "A site holds several species, or is only partly occupied"


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
    shared = next((site for site in species if len(site) != 1 or site[0].get("occu", 1) != 1), None)
    if shared is not None:
        held = ", ".join(f"{kind.get('element')} {kind.get('occu', 1):g}" for kind in shared)
        return Rejection(name, f"{_DISORDERED}.", f"{_DISORDERED}: {held}.")
    elements = map(atomic_number, (site[0].get("element", "") for site in species))
    numbers = [number for number in elements if number is not None]
    if len(numbers) < len(species):
        return Rejection(name, "A site holds no chemical element.")
    properties = _properties_of(data["sites"])
    dynamics = [(site.get("properties") or {}).get(_SELECTIVE) for site in data["sites"]]
    # "abc" and not "xyz": some files hold the latter from before the lattice was changed.
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=fractional @ cell,
        cell=cell,
        pbc=lattice.get("pbc", (True, True, True)),
        values=isotope_masses([_isotope_of(site) for site in data["sites"]])
        | _species_values(species)
        | _own_properties(data)
        | properties
        | values,
        site_properties=_held(dynamics),
    )


def frame_from_text(text: str, form: str, name: str, values: dict[str, Any]) -> Frame | Rejection:
    """Return the record of a CIF or POSCAR with one structure.

    Args:
        text: The file.
        form: ``cif`` or ``poscar``.
        name: What the record is called.
        values: What was written beside it.

    Returns:
        A frame, its atoms in the order of the file; or a rejection.
    """
    if not text.strip():
        return Rejection(name, "There is no structure.")
    reading = joined_cif if form == "cif" else frame_from_poscar
    return reading(text, name, values)


def _isotope_of(site: Mapping[str, Any]) -> str:
    """Return the symbol of a site's isotope, which pymatgen 2026.10 keeps in its label only."""
    label = str(site.get("label", "")).rstrip("0123456789")
    element = str(site["species"][0].get("element", ""))
    return label if element == "H" and label in ISOTOPES else element


def _own_properties(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of the structure as a whole, and its charge where it is not neutral."""
    properties = data.get("properties")
    charge = {"charge": data["charge"]} if data.get("charge") else {}
    return charge | (dict(properties) if isinstance(properties, Mapping) else {})


def _species_values(species: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return oxidation states and spins (μB), which pymatgen keeps in species, where there are."""
    values: dict[str, Any] = {}
    if not any(len(site[0]) > _PLAIN_SPECIES for site in species):
        return values
    for key in ("oxidation_state", "spin"):
        # Older files have the spin among the properties of a species.
        column = [site[0].get(key, (site[0].get("properties") or {}).get(key)) for site in species]
        if any(entry is not None for entry in column):
            values[key] = column
    return values


def _properties_of(sites: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is said of each site, by name, in their order: forces, moments, charges."""
    properties = [site.get("properties") or {} for site in sites]
    names = dict.fromkeys(key for entry in properties for key in entry if key != _SELECTIVE)
    return {key: [entry.get(key) for entry in properties] for key in names}


def _held(dynamics: Sequence[Any]) -> dict[str, NDArray[np.uint8]]:
    """Return what VASP's selective dynamics hold: T is free, and directions are lattice vectors."""
    free = [(True, True, True) if flags is None else flags for flags in dynamics]
    if not any(flags is not None for flags in dynamics):
        return {}
    return held_properties(np.logical_not(np.array(free, dtype=bool)), along_lattice=True)


_WHOLE = 1e-6
"""Most that the concentration of a species may lack."""
_FEATURES = frozenset({"disorder", "implicit_atoms", "site_attachments", "assemblies"})
"""What a structure of OPTIMADE may have, and a crystal of whole atoms cannot."""


@lru_cache(maxsize=4096)
def _species_of(text: str) -> Any:
    """Return species that are text, which many rows of a table share."""
    return parse_json(text)


def frame_from_optimade(
    data: Mapping[str, Any], name: str, values: dict[str, Any], **more: Any
) -> Frame | Rejection:
    """Return the record of a structure as OPTIMADE describes it.

    optimade 1.5.0 itself drops attached atoms when it makes other libraries' structures of them,
    and makes numbers that are none of the lattice vectors of molecules.

    Args:
        data: ``lattice_vectors`` (rows, Å; None along directions that are not periodic),
            ``cartesian_site_positions`` (Å), ``species_at_sites``, and ``species``, which may be
            text in JSON, as in tables.
        name: What the record is called.
        values: What was written beside it.
        more: Further fields of the frame.

    Returns:
        A frame; or a rejection where sites hold something else than one atom each.
    """
    species = data.get("species")
    try:
        species = _species_of(species) if isinstance(species, str) else species
        features = _FEATURES.intersection(data.get("structure_features") or ())
        if data.get("assemblies"):
            features |= {"assemblies"}
        masses = {kind.get("name"): kind["mass"] for kind in species or () if kind.get("mass")}
        attached = any(kind.get("attached") or kind.get("nattached") for kind in species or ())
        numbers = numbers_of_sites(data.get("species_at_sites"), species)
        cell = _cell_of(data["lattice_vectors"])
        positions = np.array(data["cartesian_site_positions"], dtype=np.float64)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Rejection(name, "The structure is incomplete.")
    if attached or features:
        what = ", ".join(sorted(features)) or "attached atoms"
        reason = "It has atoms without positions, or sites that are not one atom"
        return Rejection(name, f"{reason}.", f"{reason}: {what}.")
    if numbers is None:
        return Rejection(name, "A site holds several species, a vacancy, or none known.")
    stated = data.get("nsites")
    if stated is not None and stated != len(numbers):
        reason = "The structure states another number of sites than it has"
        return Rejection(name, f"{reason}.", f"{reason}: {stated} and {len(numbers)}.")
    pbc = data.get("dimension_types") or cell.any(axis=1)
    own = {
        key: value
        for key, value in values.items()
        if key not in ("lattice_vectors", "cartesian_site_positions", "species_at_sites", "species")
    }
    if masses:  # u, of isotopes; a list, because one name may stand for several elements
        sites = data["species_at_sites"]
        own["masses"] = [float(np.ravel(masses.get(site, np.nan))[0]) for site in sites]
    return Frame(
        name=name,
        atomic_numbers=numbers,
        positions=positions,
        cell=cell,
        pbc=np.asarray(pbc, dtype=bool),
        values=own,
        **more,
    )


def _cell_of(rows: Any) -> NDArray[np.float64]:
    """Return lattice vectors, ``(3, 3)``, Å; zero along directions that are not periodic.

    OPTIMADE writes None for these: for the vector, its components, or all three of a molecule.
    """
    if not isinstance(rows, np.ndarray):
        rows = [[entry or 0.0 for entry in row or (0, 0, 0)] for row in rows or [None] * 3]
    return np.array(rows, dtype=np.float64)


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
        and abs(sum(kind.get("concentration", [1.0])) - 1) < _WHOLE
    }
    symbols = [single.get(site, "") if species else site for site in sites or []]
    numbers = [number for number in map(atomic_number, symbols) if number is not None]
    return numbers if numbers and len(numbers) == len(symbols) else None
