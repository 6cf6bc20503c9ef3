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
"""Crystals that the report shows with their errors."""


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


@dataclass(frozen=True)
class TestedValue:
    """One label and prediction of a crystal, in the label's unit."""

    id: str
    label: float
    prediction: float
    index: int = 0
    """Of the value within its crystal."""
    probability: float | None = None
    """Of a predicted class, where it is known."""

    @property
    def error(self) -> float:
        """Prediction minus label."""
        return self.prediction - self.label


def summarise(values: Predictions) -> ErrorSummary:
    """Summarise the errors of one target; there must be at least one."""
    absolute = np.abs(values.errors)
    half, nine_tenths, nineteen_twentieths = np.quantile(absolute, [0.5, 0.9, 0.95])
    # The errors of the atoms of a crystal are correlated, so that the usual formula, σ / √n, would
    # claim a precision that the test set does not have.
    independent = values.one_per_crystal and len(absolute) > 1
    return ErrorSummary(
        bias=float(values.errors.mean()),
        half=float(half),
        nine_tenths=float(nine_tenths),
        nineteen_twentieths=float(nineteen_twentieths),
        largest=float(absolute.max()),
        standard_error=float(absolute.std(ddof=1) / len(absolute) ** 0.5) if independent else None,
    )


def by_component(values: Predictions, names: Sequence[str]) -> list[ComponentErrors]:
    """Return the errors of each component; none where the file does not say which is which.

    Args:
        values: At least one label and prediction.
        names: The components, in the order in which the file numbers them.
    """
    if values.indices is None:
        return []
    components = []
    for index, name in enumerate(names):
        # The file numbers the values of a crystal: width · atom + component.
        chosen = values.indices % len(names) == index
        if chosen.any():
            errors = values.errors[chosen]
            components.append(
                ComponentErrors(
                    name=name,
                    mae=float(np.abs(errors).mean()),
                    rmse=float((errors**2).mean() ** 0.5),
                    bias=float(errors.mean()),
                    label=float(np.abs(values.labels[chosen]).mean()),
                )
            )
    return components


def worst_values(info: TargetInfo, values: Predictions) -> list[TestedValue]:
    """Return the crystals that the report shows: the largest errors, or the surest mistakes.

    Args:
        info: The label.
        values: Its test set.
    """
    return surest_mistakes(values) if info.is_class else largest_errors(values)


def largest_errors(values: Predictions) -> list[TestedValue]:
    """Return the crystals with the largest absolute errors, worst first, each once."""
    return _first_of_each(values, np.argsort(-np.abs(values.errors), kind="stable"))


def surest_mistakes(values: Predictions) -> list[TestedValue]:
    """Return the crystals put into a wrong class, those with the highest probability first."""
    wrong = np.flatnonzero(values.labels != values.predictions)
    if values.probabilities is not None:
        wrong = wrong[np.argsort(-values.probabilities[wrong], kind="stable")]
    return _first_of_each(values, wrong)


def _first_of_each(values: Predictions, order: NDArray[np.intp]) -> list[TestedValue]:
    """Return the first ``WORST`` crystals, each with its first value.

    Args:
        values: The test set of a target.
        order: Indices of values, ``(values,)``, dimensionless.
    """
    chosen: dict[str, TestedValue] = {}
    for row in order.tolist():
        if values.ids[row] not in chosen:
            chosen[values.ids[row]] = TestedValue(
                values.ids[row],
                float(values.labels[row]),
                float(values.predictions[row]),
                0 if values.indices is None else int(values.indices[row]),
                None if values.probabilities is None else float(values.probabilities[row]),
            )
        if len(chosen) == WORST:
            break
    return list(chosen.values())


def mean_errors(
    values: Predictions, constants: Mapping[str, Any], baselines: Mapping[str, Any]
) -> Numbers | None:
    """Return the absolute errors of predicting the mean, ``(values,)``; None where not known.

    Args:
        values: The test set of a target.
        constants: What its head fitted.
        baselines: Metrics of the baselines.
    """
    constant, recorded = constants.get("mean"), baselines.get("mean", {}).get("mae")
    if not isinstance(constant, int | float) or not isinstance(recorded, int | float):
        return None
    errors: Numbers = np.abs(values.labels - constant)
    # A head may call another constant ``mean``, for example that of energies per atom. It is that
    # of the labels only where it reproduces the recorded error of predicting the mean.
    return errors if np.isclose(errors.mean(), recorded, rtol=1e-4, atol=0.0) else None
