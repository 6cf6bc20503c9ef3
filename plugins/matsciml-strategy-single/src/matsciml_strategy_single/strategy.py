"""The strategy ``single``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from matsciml_core import Strategy, Task
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
                "name one --target, or choose a multi-task strategy from "
                "'matsciml list-plugins --kind strategy'."
            )

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the one loss."""
        (loss,) = losses.values()
        return loss
