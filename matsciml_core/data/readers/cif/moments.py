"""Magnetic moments of a magnetic CIF, for all atoms of the cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers.cif.space_group import Operations
from matsciml_core.errors import DataError

_AXES = tuple(f"_atom_site_moment_crystalaxis_{axis}" for axis in "xyz")
_LABEL = "_atom_site_moment_label"
_OTHERS = ("_atom_site_moment_cartn_x", "_atom_site_moment_spherical_modulus")
_SAME_PLACE = 1e-3
"""In lattice vectors; sites are written with four digits at least."""
_SAME_MOMENT = 0.02
"""μB; moments are written with two digits."""


def read_moments(
    data: Mapping[str, Any],
    labels: Sequence[str],
    sites: NDArray[np.float64],
    index: Sequence[int],
    atoms: NDArray[np.float64],
    operations: Operations,
    reversals: Sequence[int] | None,
    cell: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Return the moments of all atoms as ``magmom``, Cartesian; nothing where none is listed.

    A file lists components along a, b and c, each in μB along that vector's direction, of one atom
    of each orbit; a site that is not listed has none. An operation R takes the axial vector m to
    θ det(R) R m, with θ = −1 where it reverses time.

    Args:
        data: The block, with its names in small letters and underscores.
        labels: Of the sites.
        sites: Fractional coordinates, ``(sites, 3)``, dimensionless.
        index: The site that each atom belongs to.
        atoms: Fractional coordinates, ``(atoms, 3)``, dimensionless.
        operations: Rotations ``(operations, 3, 3)`` and shifts ``(operations, 3)`` in lattice
            vectors, dimensionless.
        reversals: θ of each operation, 1 or −1; None: not known.
        cell: Lattice vectors as rows, ``(3, 3)``, Å.

    Returns:
        ``magmom``, ``(atoms, 3)``, μB.

    Raises:
        DataError: A moment is not that of a site, or not one that the site's symmetry allows; or
            they are given in other components only, or without magnetic operations.

    References:
        Dictionary of magnetic CIF of the International Union of Crystallography, version 0.9.8,
        ``_atom_site_moment.crystalaxis_x``.
    """
    if not all(isinstance(data.get(axis), list) for axis in _AXES):
        if any(key in data for key in (*_OTHERS, *_AXES)):
            raise DataError(
                "The CIF gives magnetic moments by other components than those along a, b and c; "
                "write them as _atom_site_moment.crystalaxis_x, _y and _z."
            )
        return {}
    rotations, shifts = operations
    if reversals is None:
        if len(rotations) > 1:
            raise DataError(
                "The CIF lists magnetic moments and a space group without time reversal, which "
                "does not say how they go on; list _space_group_symop_magn_operation.xyz."
            )
        reversals = [1]
    listed = _listed_moments(data, labels, cell)
    # x' = R x in lattice vectors, which are the rows of the cell: C^T R C^-T in Cartesian ones.
    turned = cell.T @ rotations @ np.linalg.inv(cell.T)
    axial = turned * (np.linalg.det(rotations) * np.asarray(reversals))[:, None, None]
    moments = np.zeros((len(index), 3))
    for number, (site, place) in enumerate(zip(index, atoms, strict=True)):
        steps = rotations @ sites[site] + shifts - place  # (operations, 3)
        there = (np.abs(steps - np.round(steps)) < _SAME_PLACE).all(axis=1)
        found = axial[there] @ listed[site]  # (operations that lead there, 3)
        if np.ptp(found, axis=0).max() > _SAME_MOMENT:
            raise DataError(
                f"The magnetic moment of the site '{labels[site]}' of the CIF is none that its "
                "symmetry allows; correct it, or the operations."
            )
        moments[number] = found.mean(axis=0)
    return {"magmom": moments}


def _listed_moments(
    data: Mapping[str, Any], labels: Sequence[str], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the Cartesian moment of each site, ``(sites, 3)``, μB; zero where none is listed."""
    from pymatgen.io.cif import str2float  # noqa: PLC0415 - heavy

    named = [str(entry) for entry in data.get(_LABEL, [])]
    unknown = sorted(set(named) - set(labels))
    if unknown or len(named) != len(data[_AXES[0]]):
        raise DataError(
            f"The CIF lists a magnetic moment of the site '{(unknown or ['?'])[0]}', which it does "
            "not have; correct _atom_site_moment.label."
        )
    listed = np.zeros((len(labels), 3))
    rows = zip(*[data[axis] for axis in _AXES], strict=True)
    for label, row in zip(named, rows, strict=True):
        listed[labels.index(label)] = np.array([str2float(str(entry)) for entry in row])
    # Along the lattice vectors, of unit length: components are moments, and no fractions.
    return np.asarray(listed @ (cell / np.linalg.norm(cell, axis=1, keepdims=True)))
