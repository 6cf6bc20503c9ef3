"""Crystal ↔ ``pymatgen.core.Structure``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from matsciml_core.convert._labels import as_atom_label, as_label, split_labels
from matsciml_core.convert.packages import import_package
from matsciml_core.errors import GeometryError, ShapeError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.held import FIXED, HELD_AXES, held_directions, held_properties
from matsciml_core.registry.targets import TargetInfo

_SELECTIVE = "selective_dynamics"


def to_pymatgen(crystal: Crystal, targets: Mapping[str, TargetInfo] = MappingProxyType({})) -> Any:
    """Return the crystal as a ``pymatgen.core.Structure``.

    Labels with one row per atom become site properties, the others and the id properties. The
    crystal's own site properties ``fixed`` and ``held_axes`` become pymatgen's
    ``selective_dynamics``; ``tags`` are left out.

    Args:
        crystal: The crystal.
        targets: Declarations of its labels by name; of a label without one, the shape decides
            whether it belongs to the atoms, but one called ``stress`` is always the crystal's.

    Raises:
        GeometryError: The crystal has no lattice.
    """
    core = import_package("pymatgen.core")
    if crystal.volume < 1e-6:  # Å³; pymatgen inverts the lattice
        raise GeometryError(
            f"Crystal '{crystal.id}' has no lattice, which a pymatgen Structure needs; use to_ase."
        )
    per_atom, whole = split_labels(crystal.labels, crystal.num_atoms, targets)
    sites = {name: value.tolist() for name, value in per_atom.items()} | _dynamics_of(crystal)
    return core.Structure(
        core.Lattice(crystal.cell, pbc=tuple(crystal.pbc.tolist())),
        [core.Element.from_Z(number) for number in crystal.atomic_numbers.tolist()],
        crystal.positions,
        coords_are_cartesian=True,
        site_properties=sites,
        properties={"id": crystal.id, **whole},
    )


def from_pymatgen(structure: Any, *, id: str | None = None) -> Crystal:
    """Build a crystal from a ``pymatgen.core.Structure``.

    Site properties and properties that are numbers, or arrays of numbers, become labels;
    None at a site becomes NaN. Spins of species, in μB, become the label ``spin``. Selective
    dynamics become site properties. Oxidation states and charges are not kept.

    Args:
        structure: The structure, ordered.
        id: Unique within its dataset; None: its property ``id``, or else its formula.

    Raises:
        ShapeError: It is no Structure.
        GeometryError: Several species share a site, or one is partly occupied.
    """
    core = import_package("pymatgen.core")
    if not isinstance(structure, core.IStructure):
        raise ShapeError(
            f"from_pymatgen takes a pymatgen Structure, and was given a {type(structure).__name__}."
        )
    properties = dict(structure.properties)
    own_id = properties.pop("id", None)
    name = str(own_id or structure.reduced_formula) if id is None else id
    if not structure.is_ordered:
        raise GeometryError(
            f"Crystal '{name}' has sites that several species share, or that are partly occupied; "
            "choose one species for each site first, for example with pymatgen's "
            "OrderDisorderedStructureTransformation."
        )
    labels = {key: as_label(value) for key, value in properties.items()}
    sites = dict(structure.site_properties)
    flags = sites.pop(_SELECTIVE, [])
    spins = [getattr(species, "spin", None) for species in structure.species]
    labels |= {key: as_atom_label(rows) for key, rows in {"spin": spins, **sites}.items()}
    free = [(True, True, True) if row is None else row for row in flags]
    held = held_properties(np.logical_not(np.array(free)), along_lattice=True) if free else {}
    return Crystal(
        id=name,
        atomic_numbers=np.array(structure.atomic_numbers),
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=np.array(structure.pbc),
        labels={key: value for key, value in labels.items() if value is not None},
        site_properties=held,
    )


def _dynamics_of(crystal: Crystal) -> dict[str, Any]:
    """Return pymatgen's selective dynamics, which know lattice vectors and no other directions.

    Raises:
        GeometryError: An atom is held along an axis that is no lattice vector's.
    """
    if not {FIXED, HELD_AXES} & crystal.site_properties.keys():
        return {}
    count = crystal.num_atoms
    fixed = crystal.site_properties.get(FIXED, np.zeros(count)) != 0
    held = held_directions(crystal.site_properties, count, along_lattice=True) | fixed[:, None]
    along_axes = held_directions(crystal.site_properties, count)
    if along_axes.any():
        # The coordinate along x alone is held by holding a, where a is the only vector with an x.
        diagonal = np.allclose(crystal.cell, np.diag(np.diag(crystal.cell)), atol=1e-8)
        if not diagonal:
            raise GeometryError(
                f"Crystal '{crystal.id}' has atoms that are held along x, y or z, which pymatgen "
                "cannot say in a cell that is not along these axes; use to_ase."
            )
        held |= along_axes
    return {_SELECTIVE: (~held).tolist()}
