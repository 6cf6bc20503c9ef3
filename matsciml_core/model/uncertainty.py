"""How far a prediction may be off: spreads, and intervals that hold as many labels as they say."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.registry.targets import TargetInfo

COVERAGE = 0.9
"""Share of the labels that an interval is to hold, unless told otherwise."""
LEVELS = (0.5, 0.6, 0.7, 0.8, COVERAGE, 0.95)
"""Coverages for which intervals are calibrated."""
FEWEST = 5
"""Fewest values whose standard deviation scales an interval: that of fewer is too uncertain itself,
so that a few intervals would be very long."""


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """What is known of the errors of a label."""

    spread: bool
    """Whether there is a standard deviation, of members or of trees."""
    coverage: float | None
    """Share of the labels that its interval holds, dimensionless; None: it has none."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Half-widths of intervals around a prediction, by split conformal prediction.

    A score is the absolute error over ``scale`` of a crystal that nothing was trained on; the
    half-width is the quantile of these scores times the scale of the crystal that is predicted.

    References:
        Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, J. Am. Stat. Assoc. 113, 1094 (2018),
        doi:10.1080/01621459.2017.1307116, Algorithm 2 and section 5.2.
    """

    scale: str
    """``spread``, ``atoms`` (their number, of extensive labels), or empty: 1."""
    count: int
    """Crystals whose errors were used."""
    quantiles: Mapping[float, float]
    """Score by coverage, in the label's unit over that of the scale; a coverage that needs more
    crystals is absent."""

    def half_width(self, coverage: float, *, spread: float, atoms: int) -> float:
        """Return the half-width of an interval, in the label's unit; NaN where it is not known.

        Args:
            coverage: One of ``LEVELS``.
            spread: Standard deviation of the prediction, in the label's unit.
            atoms: Number of atoms of the crystal.
        """
        scales = {"spread": spread, "atoms": float(atoms)}
        return self.quantiles.get(coverage, math.nan) * scales.get(self.scale, 1.0)

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        quantiles = {str(level): value for level, value in self.quantiles.items()}
        return {"scale": self.scale, "count": self.count, "quantiles": quantiles}

    @classmethod
    def from_data(cls, data: Any) -> Calibration | None:
        """Return what :meth:`as_data` returned; None of what it did not."""
        try:
            quantiles = {float(level): float(one) for level, one in data["quantiles"].items()}
            return cls(scale=str(data["scale"]), count=int(data["count"]), quantiles=quantiles)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


def calibrate(
    errors: NDArray[np.float64],
    *,
    spreads: NDArray[np.float64] | None = None,
    atoms: NDArray[np.int64] | None = None,
) -> Calibration:
    """Calibrate intervals on errors of crystals that nothing was trained on.

    Args:
        errors: Prediction minus label, ``(crystals,)``, in the label's unit.
        spreads: Standard deviations of the predictions, ``(crystals,)``, in the label's unit;
            None: there are none that could scale an interval.
        atoms: Numbers of atoms, ``(crystals,)``, dimensionless, of an extensive label; None: of
            another.
    """
    scales = np.ones(len(errors))
    name = ""
    if spreads is not None:
        name, scales = "spread", spreads
    elif atoms is not None:
        name, scales = "atoms", atoms.astype(np.float64)
    distances = np.abs(errors)
    # An error without any spread is longer than every interval, and no error is in all of them.
    endless = np.where(distances > 0, np.inf, 0.0)
    scores = np.divide(distances, scales, out=endless, where=scales > 0)
    found = {level: conformal_quantile(scores, level) for level in LEVELS}
    return Calibration(
        scale=name,
        count=len(errors),
        quantiles={level: value for level, value in found.items() if math.isfinite(value)},
    )


def conformal_quantile(scores: NDArray[np.float64], coverage: float) -> float:
    """Return the quantile of n scores below which a further one lies with the given probability.

    That is the ⌈(n + 1) · coverage⌉-th smallest, as long as all n + 1 are exchangeable; infinite
    where n is too small for the coverage.

    Args:
        scores: ``(crystals,)``, in any unit.
        coverage: Probability, between 0 and 1.

    >>> conformal_quantile(np.arange(1.0, 20.0), 0.9), conformal_quantile(np.arange(1.0, 9.0), 0.9)
    (18.0, inf)
    """
    # Rounded first: 20 · 0.9 must not become 19 by its last digit.
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def describe_uncertainty(
    labels: Iterable[str], spread: Collection[str], intervals: Collection[str]
) -> dict[str, Uncertainty]:
    """Return what is known of the errors of each label; labels of which nothing is are absent.

    Args:
        labels: All labels of a model.
        spread: Those with a standard deviation.
        intervals: Those with an interval.
    """
    return {
        name: Uncertainty(spread=name in spread, coverage=COVERAGE if name in intervals else None)
        for name in labels
        if name in spread or name in intervals
    }


def has_interval(info: TargetInfo) -> bool:
    """Return whether a label is one number of a crystal, which an interval can hold."""
    one = not info.shape and not info.per_atom
    return one and not info.is_class and info.kind != "structure"
