"""The strategy ``single``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from matsciml_core import Strategy, Task, build_registry
from matsciml_core.errors import ConfigError


class Single(Strategy):
    """One task: every parameter receives ∇L."""

    def validate(self, tasks: Sequence[Task]) -> None:
        """Refuse more than one task.

        Raises:
            ConfigError: There is not exactly one task.
        """
        if len(tasks) != 1:
            names = ", ".join(task.key for task in tasks)
            raise ConfigError(
                f"The strategy 'single' trains one task, but the run has {len(tasks)} ({names}); "
                f"name one --target, or name with --strategy {_able(tasks)}."
            )

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the one loss."""
        (loss,) = losses.values()
        return loss


def _able(tasks: Sequence[Task]) -> str:
    """Return the installed strategies that take so many tasks from so many datasets, in words."""
    datasets = len({task.dataset for task in tasks})
    able = [
        spec.name
        for spec in build_registry(strict=False).specs("strategy")
        if (spec.max_tasks is None or spec.max_tasks >= max(len(tasks), 2))
        and (spec.max_datasets is None or spec.max_datasets >= datasets)
    ]
    names = f"one that takes several: {', '.join(able)}" if able else "another; none is installed"
    return f"{names} (see 'matsciml list-plugins --kind strategy')"
