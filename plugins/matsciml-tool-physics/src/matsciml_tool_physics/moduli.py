"""Averages of elastic constants over the directions of a polycrystal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Moduli:
    """Moduli of a polycrystal by Voigt, Reuss and Hill; GPa, but for what has no dimension.

    Where the crystal is elastically unstable, all but Voigt's are NaN.
    """

    bulk_voigt: float
    bulk_reuss: float
    bulk_hill: float
    shear_voigt: float
    shear_reuss: float
    shear_hill: float
    young: float
    """Young's modulus, from the means of Hill."""
    poisson: float
    """Poisson's ratio, from the means of Hill, dimensionless."""
    anisotropy: float
    """Universal anisotropy, dimensionless; 0 where all directions are alike."""


def average(constants: NDArray[Any]) -> Moduli:
    """Average elastic constants over all directions.

    Args:
        constants: Symmetric, ``(6, 6)``, GPa.

    References:
        R. Hill, Proc. Phys. Soc. A 65, 349 (1952), doi:10.1088/0370-1298/65/5/307.
        Anisotropy: S. I. Ranganathan, M. Ostoja-Starzewski, Phys. Rev. Lett. 101, 055504 (2008),
        doi:10.1103/PhysRevLett.101.055504.
    """
    # Voigt takes one strain for all grains, and averages stiffness: the upper bound.
    normal, mixed, shear = _traces(constants)
    bulk_voigt = (normal + 2 * mixed) / 9
    shear_voigt = (normal - mixed + 3 * shear) / 15
    bulk_reuss = shear_reuss = float("nan")
    # Reuss takes one stress, and averages compliance: the lower bound. Its shear strains are those
    # of engineers, twice the tensor's, hence other factors. An unstable crystal has no compliance.
    if np.linalg.eigvalsh(constants)[0] > 0:
        normal, mixed, shear = _traces(np.linalg.inv(constants))
        bulk_reuss = 1 / (normal + 2 * mixed)
        shear_reuss = 15 / (4 * normal - 4 * mixed + 3 * shear)
    bulk, rigidity = (bulk_voigt + bulk_reuss) / 2, (shear_voigt + shear_reuss) / 2
    return Moduli(
        bulk_voigt=bulk_voigt,
        bulk_reuss=bulk_reuss,
        bulk_hill=bulk,
        shear_voigt=shear_voigt,
        shear_reuss=shear_reuss,
        shear_hill=rigidity,
        young=9 * bulk * rigidity / (3 * bulk + rigidity),
        poisson=(3 * bulk - 2 * rigidity) / (6 * bulk + 2 * rigidity),
        anisotropy=5 * shear_voigt / shear_reuss + bulk_voigt / bulk_reuss - 6,
    )


def _traces(matrix: NDArray[Any]) -> tuple[float, float, float]:
    """Return M11 + M22 + M33, M12 + M13 + M23, and M44 + M55 + M66."""
    mixed = matrix[0, 1] + matrix[0, 2] + matrix[1, 2]
    return float(np.trace(matrix[:3, :3])), float(mixed), float(np.trace(matrix[3:, 3:]))
