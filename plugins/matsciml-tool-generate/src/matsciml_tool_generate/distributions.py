"""Distances between distributions of a property: density, number of elements, energy."""

from __future__ import annotations

from collections.abc import Sequence

from matsciml_core.convert import to_pymatgen
from matsciml_core.interfaces.crystal import Crystal


def wasserstein_distance(generated: Sequence[float], reference: Sequence[float]) -> float:
    """Return the Wasserstein-1 (earth mover's) distance of two samples, in their unit.

    CDVAE's "property statistics" are this distance of the densities (g/cm³), of the numbers of
    different elements, and of energies per atom that a model predicts, between valid generated
    crystals and all of the test set. The paper takes 1,000 valid crystals at random; here all
    valid crystals count.

    Args:
        generated: Values of the generated crystals.
        reference: Values of the test set.

    Returns:
        The distance; NaN where a sample is empty.

    References:
        Xie et al., ICLR (2022), section 5.2, "Property statistics";
        doi:10.48550/arXiv.2110.06197.
    """
    from scipy import stats  # noqa: PLC0415 - heavy

    if not len(generated) or not len(reference):
        return float("nan")
    return float(stats.wasserstein_distance(generated, reference))


def density(crystal: Crystal) -> float:
    """Return the density of a crystal, g/cm³."""
    return float(to_pymatgen(crystal).density)
