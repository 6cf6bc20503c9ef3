"""Coverage: the share of the reference that is generated, and of the generated that is like it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
STRUCTURE_WIDTH, COMPOSITION_WIDTH = 61, 132
"""Numbers of matminer's two fingerprints."""


@dataclass(frozen=True, kw_only=True)
class Cutoffs:
    """Distances within which two crystals count as alike, dimensionless."""

    structure: float
    """Of structure fingerprints."""
    composition: float
    """Of standardised composition fingerprints."""


CUTOFFS = {
    "mp20": Cutoffs(structure=0.4, composition=10.0),
    "perov": Cutoffs(structure=0.2, composition=4.0),
    "carbon": Cutoffs(structure=0.2, composition=4.0),
}
"""The pairs of the paper's section 5.2 and appendix; MatSciML's mp25 uses that of mp20."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """The two fingerprints of a crystal."""

    structure: Numbers
    """``(61,)``, dimensionless."""
    composition: Numbers
    """``(132,)``, as matminer returns it, in the units of the elements' properties."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Coverage, and how near the nearest crystals are on average."""

    recall: float
    """Share of the reference crystals that something generated is like."""
    precision: float
    """Share of the generated crystals, those without a fingerprint included, that are like some
    reference crystal."""
    structure_distance_recall: float
    """AMSD-R: mean distance from a reference crystal to the nearest generated structure."""
    structure_distance_precision: float
    """AMSD-P: the same from a generated crystal to the nearest reference structure."""
    composition_distance_recall: float
    """AMCD-R: as AMSD-R, of compositions."""
    composition_distance_precision: float
    """AMCD-P: as AMSD-P, of compositions."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Distances of crystals to the nearest one of another set; infinite where that is empty."""

    structure: Numbers
    """``(crystals,)``, dimensionless."""
    composition: Numbers
    """``(crystals,)``, dimensionless."""


def coverage(
    generated: Sequence[Fingerprint],
    reference: Sequence[Fingerprint],
    cutoffs: Cutoffs,
    num_generated: int | None = None,
) -> Coverage:
    """Return COV-R and COV-P.

    A crystal of one set is covered where the other set has one within the cut-off by structure
    and one within the cut-off by composition; the two may be different crystals, as in CDVAE's
    program.

    Args:
        generated: Fingerprints of the generated crystals that have one.
        reference: Those of the test set.
        cutoffs: See ``CUTOFFS``.
        num_generated: Divisor of the precision: all generated crystals; None: as many as there
            are fingerprints.

    Returns:
        The shares and mean distances; NaN where there is nothing to take a share or mean of.

    References:
        Xie et al., ICLR (2022), section 5.2, "Coverage (COV)", and appendix; definition after
        Xu et al. (2021) and Ganea et al. (2021); doi:10.48550/arXiv.2110.06197.
    """
    recalled, precise = nearest_distances(generated, reference)
    number = len(generated) if num_generated is None else num_generated
    return Coverage(
        recall=_share(recalled, cutoffs, len(reference)),
        # Without a reference, precision is not zero but undefined.
        precision=_share(precise, cutoffs, number if reference else 0),
        structure_distance_recall=_mean(recalled.structure),
        structure_distance_precision=_mean(precise.structure),
        composition_distance_recall=_mean(recalled.composition),
        composition_distance_precision=_mean(precise.composition),
    )


def nearest_distances(
    generated: Sequence[Fingerprint], reference: Sequence[Fingerprint]
) -> tuple[Nearest, Nearest]:
    """Return the Euclidean distances to the nearest crystal of the other set.

    Returns:
        Those of the reference crystals, and those of the generated ones.
    """
    from scipy.spatial.distance import cdist  # noqa: PLC0415 - heavy

    # All distances at once: two sets of 10,000 crystals need 800 MB per matrix.
    rows, columns = _stack(generated), _stack(reference)
    structure, composition = (cdist(*pair) for pair in zip(rows, columns, strict=True))
    recalled, precise = (
        Nearest(  # both matrices are (generated, reference)
            structure=structure.min(axis=axis, initial=np.inf),
            composition=composition.min(axis=axis, initial=np.inf),
        )
        for axis in (0, 1)
    )
    return recalled, precise


def standardise(compositions: Numbers) -> Numbers:
    """Return composition fingerprints with CDVAE's published mean and deviation taken out.

    Args:
        compositions: ``(crystals, 132)``, in matminer's units.

    Returns:
        ``(crystals, 132)``, dimensionless; a property that an element does not have is 0, the mean.
    """
    scaler = published_scaler()
    scaled: Numbers = (compositions - np.array(scaler["mean"])) / np.array(scaler["deviation"])
    return np.nan_to_num(scaled, copy=False, nan=0.0)


def _share(nearest: Nearest, cutoffs: Cutoffs, number: int) -> float:
    near = nearest.structure <= cutoffs.structure
    near &= nearest.composition <= cutoffs.composition
    return float(near.sum() / number) if number else float("nan")


def _mean(values: Numbers) -> float:
    return float(values.mean()) if len(values) and np.isfinite(values).all() else float("nan")


def _stack(fingerprints: Sequence[Fingerprint]) -> tuple[Numbers, Numbers]:
    """Return structure and standardised composition fingerprints as matrices."""
    if not fingerprints:
        return np.empty((0, STRUCTURE_WIDTH)), np.empty((0, COMPOSITION_WIDTH))
    compositions = np.stack([both.composition for both in fingerprints])
    return np.stack([both.structure for both in fingerprints]), standardise(compositions)


@cache
def published_scaler() -> dict[str, list[float]]:
    """Return ``mean`` and ``deviation`` of composition fingerprints, of CDVAE's training data."""
    text = files("matsciml_tool_generate").joinpath("composition_scaler.json").read_text("utf-8")
    scaler: dict[str, list[float]] = json.loads(text)
    return scaler
