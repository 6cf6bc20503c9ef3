"""The checks of a dataset, in the order of the scorecard."""

from __future__ import annotations

from matsciml_core.testing.checks import Check
from matsciml_core.testing.dataset import content, labels, reading
from matsciml_core.testing.settings import settings_checks

CHECKS: tuple[Check, ...] = (
    content.declared_size,
    content.provenance,
    labels.declared_labels,
    labels.no_other_labels,
    labels.label_values,
    labels.labels_in_batches,
    labels.labels_present,
    labels.labels_vary,
    labels.missing_is_not_zero,
    labels.plausible_magnitude,
    content.geometry,
    content.cartesian,
    content.batch_layout,
    content.splits,
    reading.unique_ids,
    reading.deterministic,
    reading.repeatable,
    reading.batch_reading,
    reading.index_errors,
    reading.pickling,
    reading.workers_fork,
    reading.workers_spawn,
    reading.reading_speed,
    *settings_checks("dataset"),
)
