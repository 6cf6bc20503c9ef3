"""The checks of a strategy, in the order of the scorecard."""

from __future__ import annotations

from matsciml_core.testing.checks import Check
from matsciml_core.testing.settings import settings_checks
from matsciml_core.testing.strategy import acceptance, gradients, state

CHECKS: tuple[Check, ...] = (
    acceptance.construction,
    acceptance.limits,
    gradients.single_task,
    gradients.heads_keep_their_gradient,
    gradients.task_order,
    gradients.scales,
    gradients.zero_gradient,
    gradients.not_finite,
    gradients.identical_tasks,
    gradients.opposed_tasks,
    gradients.accumulation,
    gradients.missing_task,
    gradients.unused_and_frozen,
    state.loss_to_log,
    state.no_stale_graph,
    state.save_and_load,
    *settings_checks("strategy"),
)
