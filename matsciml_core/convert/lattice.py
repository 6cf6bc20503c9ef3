"""Cells from lattice parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import GeometryError


def cell_from_parameters(lengths: Sequence[float], angles: Sequence[float]) -> NDArray[np.float64]:
    """Return the cell that has given lattice parameters.

    The orientation is that of the CIF dictionary and of ASE: a along x, b in the plane of x and
    y. Right angles are exact.

    Args:
        lengths: a, b and c, Å.
        angles: α (between b and c), β and γ, degrees.

    Returns:
        Lattice vectors as rows, ``(3, 3)``, Å.

    Raises:
        GeometryError: No cell has these parameters.

    >>> cell_from_parameters((2.0, 3.0, 4.0), (90.0, 90.0, 90.0)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 4.0]]
    """
    a, b, c = lengths
    # In floating point cos(90°) is 6e-17, which would tilt every orthogonal cell.
    cos_alpha, cos_beta, cos_gamma = (
        0.0 if angle == 90.0 else float(np.cos(np.deg2rad(angle))) for angle in angles
    )
    sin_gamma = np.sqrt(1.0 - cos_gamma**2)
    y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma if sin_gamma > 0.0 else np.inf
    z_squared = 1.0 - cos_beta**2 - y**2
    possible = all(x > 0.0 for x in lengths) and all(0.0 < angle < 180.0 for angle in angles)
    # c's unit vector is (cos β, y, z): no z is left where the three angles do not close.
    if not (possible and z_squared > 0.0):
        raise GeometryError(
            f"No cell has the lengths {a:g}, {b:g}, {c:g} Å and the angles {angles[0]:g}, "
            f"{angles[1]:g}, {angles[2]:g}°; check the lattice parameters."
        )
    return np.array(
        [
            [a, 0.0, 0.0],
            [b * cos_gamma, b * sin_gamma, 0.0],
            [c * cos_beta, c * y, c * np.sqrt(z_squared)],
        ]
    )
