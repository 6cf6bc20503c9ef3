"""The errors of a model on the test set, summarised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages.run_files import Numbers, Predictions

WORST = 10
"""Crystals in the table of the worst."""


@dataclass(frozen=True, kw_only=True)
class ErrorSummary:
    """Errors of one target, in the label's unit; shares are of labelled values."""

    bias: float
    """Mean of prediction minus label."""
    half: float
    """Half of all absolute errors are at most this."""
    nine_tenths: float
    """90 % of all absolute errors are at most this."""
    nineteen_twentieths: float
    """95 % of all absolute errors are at most this."""
    largest: float
    standard_error: float | None
    """Standard error of the MAE; None where the values are not independent crystals."""


@dataclass(frozen=True)
class WorstCrystal:
    """A crystal with its largest error, in the label's unit."""

    id: str
    label: float
    prediction: float
    place: int = 0
    """Number of the value within its crystal."""
    probability: float | None = None
    """Of a predicted class, where it is known."""

    @property
    def error(self) -> float:
        """Prediction minus label."""
        return self.prediction - self.label


def summarise(values: Predictions) -> ErrorSummary:
    """Summarise the errors of one target; there must be at least one."""
    absolute = np.abs(values.errors)
    half, nine_tenths, most = np.quantile(absolute, [0.5, 0.9, 0.95])
    independent = values.one_per_crystal and len(absolute) > 1
    return ErrorSummary(
        bias=float(values.errors.mean()),
        half=float(half),
        nine_tenths=float(nine_tenths),
        nineteen_twentieths=float(most),
        largest=float(absolute.max()),
        standard_error=float(absolute.std(ddof=1) / len(absolute) ** 0.5) if independent else None,
    )


@dataclass(frozen=True, kw_only=True)
class ComponentErrors:
    """Errors of one component of a vector, matrix or grid, in the label's unit."""

    name: str
    mae: float
    rmse: float
    bias: float
    """Mean of prediction minus label."""
    label: float
    """Mean absolute label."""


def by_component(values: Predictions, names: Sequence[str]) -> list[ComponentErrors]:
    """Return the errors of each component; none where the file does not say which is which."""
    if values.places is None:
        return []
    found = []
    for number, name in enumerate(names):
        chosen = values.places % len(names) == number
        if chosen.any():
            errors = values.errors[chosen]
            found.append(
                ComponentErrors(
                    name=name,
                    mae=float(np.abs(errors).mean()),
                    rmse=float((errors**2).mean() ** 0.5),
                    bias=float(errors.mean()),
                    label=float(np.abs(values.labels[chosen]).mean()),
                )
            )
    return found


def worst_of(info: TargetInfo, values: Predictions) -> list[WorstCrystal]:
    """Return the crystals that the report shows: the worst of a number, or of a class."""
    return surest_mistakes(values) if info.is_class else worst(values)


def worst(values: Predictions) -> list[WorstCrystal]:
    """Return the crystals with the largest absolute errors, worst first, each once."""
    return _first(values, np.argsort(-np.abs(values.errors), kind="stable"))


def surest_mistakes(values: Predictions) -> list[WorstCrystal]:
    """Return the crystals put into a wrong class, those with the highest probability first."""
    wrong = np.flatnonzero(values.labels != values.predictions)
    if values.probabilities is not None:
        wrong = wrong[np.argsort(-values.probabilities[wrong], kind="stable")]
    return _first(values, wrong)


def _first(values: Predictions, order: NDArray[np.intp]) -> list[WorstCrystal]:
    """Return the first ``WORST`` crystals in an order of values, each with its first value."""
    found: dict[str, WorstCrystal] = {}
    places, sure = values.places, values.probabilities
    for place in order:
        if values.ids[place] not in found:
            found[values.ids[place]] = WorstCrystal(
                values.ids[place],
                float(values.labels[place]),
                float(values.predictions[place]),
                0 if places is None else int(places[place]),
                None if sure is None else float(sure[place]),
            )
        if len(found) == WORST:
            break
    return list(found.values())


def mean_errors(
    values: Predictions, constants: Mapping[str, Any], baselines: Mapping[str, Any]
) -> Numbers | None:
    """Return the absolute errors of predict-the-mean, ``(values,)``, where they can be rebuilt.

    A head's constant called ``mean`` need not be the mean of the labels. It is taken for it only
    where it reproduces the recorded error of predict-the-mean.
    """
    constant, recorded = constants.get("mean"), baselines.get("mean", {}).get("mae")
    if not isinstance(constant, int | float) or not isinstance(recorded, int | float):
        return None
    errors: Numbers = np.abs(values.labels - constant)
    return errors if np.isclose(errors.mean(), recorded, rtol=1e-4, atol=0.0) else None
