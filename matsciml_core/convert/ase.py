"""Crystal ↔ ``ase.Atoms``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.convert._labels import CALCULATED, as_label, split_labels
from matsciml_core.convert.packages import import_package
from matsciml_core.errors import GeometryError, ShapeError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.held import (
    FIXED,
    HELD_AXES,
    OTHERWISE,
    held_directions,
    held_properties,
)
from matsciml_core.registry.targets import TargetInfo

_TAGS, _MASSES = "tags", "masses"
_MOST = 255
"""Largest number that a site property can be."""
_ASE_ARRAYS = (
    "numbers",
    "positions",
    "tags",
    "momenta",
    "masses",
    "initial_magmoms",
    "initial_charges",
    "spacegroup_kinds",
)
"""Arrays that ASE itself gives a meaning; they are no labels."""


def to_ase(crystal: Crystal, targets: Mapping[str, TargetInfo] = MappingProxyType({})) -> Any:
    """Return the crystal as ``ase.Atoms``.

    The labels ``energy`` (eV), ``forces`` (eV/Å) and ``stress`` (eV/Å³, made symmetric) go
    into a ``SinglePointCalculator``, whose units and sign are the same. Of the others, those
    with one row per atom become arrays, and the rest and the id go into ``info``; a label
    ``masses`` (u) becomes the masses of the atoms. The site property ``tags`` becomes ASE's tags,
    ``fixed`` the constraint ``FixAtoms``, and ``held_axes`` ``FixCartesian`` and ``FixScaled``.

    Args:
        crystal: The crystal.
        targets: Declarations of its labels by name; of a label without one, the shape decides
            whether it belongs to the atoms.

    Raises:
        MissingPackageError: ASE is not installed.
    """
    calculated = {name: crystal.labels[name] for name in CALCULATED if name in crystal.labels}
    others = {
        name: value
        for name, value in crystal.labels.items()
        if name not in calculated and name != _MASSES
    }
    per_atom, whole = split_labels(others, crystal.num_atoms, targets)
    atoms = import_package("ase").Atoms(
        numbers=crystal.atomic_numbers,
        positions=crystal.positions,
        cell=crystal.cell,
        pbc=crystal.pbc,
        info={"id": crystal.id, **whole},
    )
    for name, rows in per_atom.items():
        atoms.new_array(name, rows)
    if _MASSES in crystal.labels:
        masses = np.asarray(crystal.labels[_MASSES], dtype=np.float64)
        # NaN: as heavy as the element is, which None means to ASE.
        atoms.set_masses([None if np.isnan(mass) else mass for mass in masses])
    if _TAGS in crystal.site_properties:
        atoms.set_tags(crystal.site_properties[_TAGS].astype(np.int64))
    atoms.set_constraint(_constraints_of(crystal))
    if calculated:
        singlepoint = import_package("ase.calculators.singlepoint")
        # Last: the calculator remembers the atoms, and its results hold for exactly those.
        atoms.calc = singlepoint.SinglePointCalculator(atoms, **_to_results(calculated))
    return atoms


def from_ase(atoms: Any, *, id: str | None = None) -> Crystal:
    """Build a crystal from ``ase.Atoms``.

    Energy (eV), forces (eV/Å, without the effect of constraints) and stress (eV/Å³, 3 x 3)
    that a calculator holds for exactly these atoms become labels; nothing is calculated.
    Numbers and arrays of numbers in ``info`` and in ``arrays`` become labels too, but for the
    arrays that ASE itself uses; masses that differ from the elements' become a label ``masses``.
    Tags, and which atoms constraints hold along which axes, become site properties.

    Args:
        atoms: The atoms.
        id: Unique within its dataset; None: ``info["id"]``, or else the formula.

    Raises:
        ShapeError: They are no Atoms.
        GeometryError: Several species share a site; or see the class.
        MissingPackageError: ASE is not installed.
    """
    if not isinstance(atoms, import_package("ase").Atoms):
        raise ShapeError(f"from_ase takes ASE Atoms, and was given a {type(atoms).__name__}.")
    name = str(atoms.info.get("id") or atoms.get_chemical_formula()) if id is None else id
    # ASE's reader of CIF files keeps one species per site and puts the others into info.
    occupancy = atoms.info.get("occupancy")
    sites = occupancy.values() if isinstance(occupancy, Mapping) else ()
    if any(len(site) != 1 or min(site.values()) < 1 - 1e-6 for site in sites):
        raise GeometryError(
            f"Crystal '{name}' has sites that several species share, or that are partly occupied; "
            "choose one species for each site, and delete atoms.info['occupancy']."
        )
    labels = {key: as_label(value) for key, value in atoms.info.items() if key != "id"}
    labels |= {k: as_label(rows) for k, rows in atoms.arrays.items() if k not in _ASE_ARRAYS}
    if atoms.has(_MASSES):  # set by hand, as for an isotope; else they follow from the elements
        labels[_MASSES] = atoms.get_masses()
    return Crystal(
        id=name,
        atomic_numbers=atoms.numbers,
        positions=atoms.positions.copy(),  # ASE's dynamics moves atoms in place
        cell=np.array(atoms.cell),
        pbc=atoms.pbc.copy(),
        # What was calculated for these atoms wins over a note of the same name.
        labels={k: v for k, v in labels.items() if v is not None} | _results_of(atoms),
        site_properties=site_properties_of(atoms),
    )


def site_properties_of(atoms: Any) -> dict[str, Any]:
    """Return the tags, and which atoms are held along which directions; nothing where none is.

    Args:
        atoms: ASE Atoms.
    """
    site_properties: dict[str, Any] = {}
    tags = atoms.get_tags()
    if tags.any() and tags.min() >= 0 and tags.max() <= _MOST:
        site_properties[_TAGS] = tags
    if not atoms.constraints:
        return site_properties
    # x, y, z, and the three lattice vectors.
    held = np.zeros((len(atoms), 6), dtype=bool)
    otherwise = np.zeros(len(atoms), dtype=bool)
    for constraint in atoms.constraints:
        directions = _directions(constraint)
        rows = constraint.get_indices() if hasattr(constraint, "get_indices") else slice(None)
        if directions is None:
            otherwise[rows] = True
        else:
            held[rows] |= directions
    cartesian = held_properties(held[:, :3])
    lattice = held_properties(held[:, 3:], along_lattice=True)
    fixed = cartesian[FIXED] | lattice[FIXED]
    axes = sum(part[HELD_AXES] for part in (cartesian, lattice) if HELD_AXES in part)
    # What is held entirely has no direction left to speak of.
    axes = (axes | otherwise.astype(np.uint8) * OTHERWISE) * (fixed == 0)
    return site_properties | {FIXED: fixed} | ({HELD_AXES: axes} if np.any(axes) else {})


_UNDERSTOOD = ("FixAtoms", "FixCartesian", "FixScaled", "FixedPlane", "FixedLine")


def _directions(constraint: Any) -> NDArray[np.bool_] | None:
    """Return along which of x, y, z and the lattice vectors a constraint holds; None: others."""
    # By name: the classes are ASE's, or made from them, and need not be imported for this.
    names = [one.__name__ for one in type(constraint).__mro__]
    name = next((one for one in names if one in _UNDERSTOOD), "")
    free = np.zeros(3, dtype=bool)
    if name == "FixAtoms":
        return np.concatenate([~free, free])
    if name == "FixCartesian":
        return np.concatenate([constraint.mask, free])
    if name == "FixScaled":
        return np.concatenate([free, constraint.mask])
    if name in ("FixedPlane", "FixedLine"):
        along = np.abs(constraint.dir) > 1 - 1e-9  # the normal of a plane, the direction of a line
        if along.any():
            return np.concatenate([along if name == "FixedPlane" else ~along, free])
    return None


def _constraints_of(crystal: Crystal) -> list[Any]:
    """Return ASE's constraints for what is held: one for all atoms, one for each set of axes."""
    if not {FIXED, HELD_AXES} & crystal.site_properties.keys():
        return []
    ase = import_package("ase.constraints")
    constraints = []
    if FIXED in crystal.site_properties:
        constraints.append(ase.FixAtoms(mask=crystal.site_properties[FIXED] != 0))
    for along_lattice, kind in ((False, ase.FixCartesian), (True, ase.FixScaled)):
        held = held_directions(
            crystal.site_properties, crystal.num_atoms, along_lattice=along_lattice
        )
        constraints += [
            kind(np.flatnonzero((held == mask).all(axis=1)), mask)
            for mask in np.unique(held[held.any(axis=1)], axis=0)
        ]
    return constraints


def _to_results(labels: Mapping[str, Any]) -> dict[str, Any]:
    """Bring labels into the forms that ASE's calculators return; units and signs are ASE's."""
    results = {name: np.asarray(value, dtype=np.float64) for name, value in labels.items()}
    if "stress" in results:
        # Voigt's order xx, yy, zz, yz, xz, xy; the mean of both off-diagonal entries is taken.
        stress = import_package("ase.stress")
        results["stress"] = stress.full_3x3_to_voigt_6_stress(results["stress"])
    return {name: value if value.ndim else value.item() for name, value in results.items()}


def _results_of(atoms: Any) -> dict[str, Any]:
    """Return what was calculated for exactly these atoms; nothing is calculated now."""
    labels: dict[str, Any] = {}
    for name in CALCULATED:
        if name not in (getattr(atoms.calc, "results", None) or {}):
            continue
        value = atoms.calc.get_property(name, atoms, allow_calculation=False)
        if value is not None:  # None: the atoms have moved since
            labels[name] = float(value) if name == "energy" else np.array(value)
    if "stress" in labels and labels["stress"].shape == (6,):
        stress = import_package("ase.stress")
        labels["stress"] = stress.voigt_6_to_full_3x3_stress(labels["stress"])
    return labels
