"""The checks of a task head, in the order of the scorecard."""

from __future__ import annotations

from matsciml_core.testing.checks import Check
from matsciml_core.testing.head import (
    derivatives,
    features,
    generation,
    reporting,
    tensors,
    training,
)
from matsciml_core.testing.settings import settings_checks

CHECKS: tuple[Check, ...] = (
    training.construction,
    training.units,
    training.perfect_prediction,
    training.masked_values,
    training.mean_over_labelled,
    training.weighted_rows,
    training.no_labels,
    training.gradients,
    training.unlabelled_training,
    training.batch_untouched,
    reporting.normalisation,
    reporting.physical_values,
    reporting.batch_equals_singles,
    derivatives.conservative,
    tensors.tensors,
    reporting.metrics,
    reporting.baseline_predictions,
    reporting.precision,
    reporting.save_and_load,
    reporting.copies,
    generation.generation,
    features.fits_features,
    *settings_checks("task-head"),
)
