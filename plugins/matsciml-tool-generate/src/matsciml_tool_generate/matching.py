"""Comparison of two structures by pymatgen's StructureMatcher."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from matsciml_core.interfaces.crystal import Crystal

RECONSTRUCTION = (("stol", 0.5), ("angle_tol", 10.0), ("ltol", 0.3))
"""Tolerances with which CDVAE matches a reconstruction with the truth: of a site, in units of the
cube root of the volume per atom; of angles, degrees; of lengths, as a fraction."""
DUPLICATES = (("stol", 0.3), ("angle_tol", 5.0), ("ltol", 0.2))
"""Tolerances within which two crystals count as the same: pymatgen's defaults."""


def reduced_structure(crystal: Crystal) -> Any:
    """Return the Niggli-reduced primitive cell, as pymatgen's Structure.

    Where pymatgen cannot reduce the cell, the structure is returned as it is; the matcher then has
    more to compare.
    """
    structure = _structure(crystal)
    try:
        return structure.get_reduced_structure("niggli").get_primitive_structure()
    except Exception:  # numerical failures raise errors of many kinds
        return structure


def are_same(reduced: Any, other: Any) -> bool:
    """Return whether two reduced structures match within the tolerances ``DUPLICATES``.

    Args:
        reduced: See :func:`reduced_structure`.
        other: Likewise.
    """
    # The matcher never matches primitive cells of different sizes, but takes long to say so.
    if len(reduced) != len(other):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Both are reduced once, and not again for each pair.
            return bool(matcher(DUPLICATES).fit(reduced, other, skip_structure_reduction=True))
    except Exception:
        return False  # structures that pymatgen cannot compare are not the same


def rms_distance(pair: tuple[Crystal | None, Crystal]) -> float | None:
    """Return the root mean square displacement of matched atoms; None where nothing matches.

    Args:
        pair: A reconstruction, None where there is none, and the crystal that it should be.

    Returns:
        In units of the cube root of the volume per atom, with the tolerances ``RECONSTRUCTION``.
    """
    reconstruction, truth = pair
    if reconstruction is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            match = matcher(RECONSTRUCTION).get_rms_dist(
                _structure(reconstruction), _structure(truth)
            )
    except Exception:
        return None  # structures that pymatgen cannot compare do not match
    return None if match is None else float(match[0])


@cache
def matcher(tolerances: tuple[tuple[str, float], ...]) -> Any:
    """Return pymatgen's matcher with some tolerances."""
    from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: PLC0415 - heavy

    settings: dict[str, Any] = dict(tolerances)
    return StructureMatcher(**settings)


def _structure(crystal: Crystal) -> Any:
    # Not convert.to_pymatgen, which carries labels and site properties that the matcher copies.
    from pymatgen.core.structure import Structure  # noqa: PLC0415 - heavy

    return Structure(
        crystal.cell,
        crystal.atomic_numbers.tolist(),
        crystal.positions,
        coords_are_cartesian=True,
    )
