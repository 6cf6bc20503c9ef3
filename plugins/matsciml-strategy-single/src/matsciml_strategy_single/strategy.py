"""The strategy ``single``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from matsciml_core import Strategy, Task, build_registry
from matsciml_core.errors import ConfigError


class Single(Strategy):
    """One task: every parameter receives ∇L."""

    def validate(self, tasks: Sequence[Task]) -> None:
        """Reject more than one task.

        Raises:
            ConfigError: There is not exactly one task; the sentence names strategies that fit.
        """
        if len(tasks) == 1:
            return
        datasets = len({task.dataset for task in tasks})
        fitting = [
            spec.name
            # Not strict: a broken plugin must not hide the advice.
            for spec in build_registry(strict=False).specs("strategy")
            if (spec.max_tasks is None or spec.max_tasks >= max(len(tasks), 2))
            and (spec.max_datasets is None or spec.max_datasets >= datasets)
        ]
        advice = f"one that takes several: {', '.join(fitting)}"
        keys = ", ".join(task.key for task in tasks)
        raise ConfigError(
            f"The strategy 'single' trains one task, but the run has {len(tasks)} ({keys}); name "
            "one --target, or name with --strategy "
            f"{advice if fitting else 'another; none is installed'} "
            "(see 'matsciml list-plugins --kind strategy')."
        )

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the one loss.

        Args:
            losses: A scalar per task key, dimensionless.
        """
        (loss,) = losses.values()
        return loss
