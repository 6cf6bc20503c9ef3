"""The strategy ``additive``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from matsciml_core import Strategy, Task
from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_strategy_additive.config import AdditiveConfig


class Additive(Strategy):
    """Every parameter receives ∇ Σ_t w_t L_t; a task without a label in a step drops out of it.

    With learned weights the sum is that of Kendall, Gal and Cipolla (2018), eqs. (7) and (10),
    with v_t = ln σ_t²: a task adds w_t L_t e^{−v_t} / 2 + v_t / 2 for regression, and
    w_t L_t e^{−v_t} + v_t / 2 for classification. Deviations: any loss takes the place of the
    squared error; v starts where each task's factor is 1, so that training starts as the plain
    sum; a single task keeps its plain loss, since there is nothing to weigh it against.
    """

    log_variance: nn.Parameter
    """v_t, ``(tasks,)``, dimensionless; only with learned weights."""

    def __init__(self, config: AdditiveConfig | None = None) -> None:
        """Keep the settings."""
        super().__init__(config)
        self.settings = config or AdditiveConfig()
        self._weights: dict[str, float] = {}
        self._index: dict[str, int] = {}
        self._prefactors: dict[str, float] = {}

    def validate(self, tasks: Sequence[Task]) -> None:
        """Reject a weight that belongs to no task: it would be without effect, silently.

        Raises:
            ConfigError: There is such a weight.
        """
        names = {name for task in tasks for name in (task.key, _label(task))}
        for name in self.settings.weights:
            if name not in names:
                raise ConfigError(
                    f"'strategy.weights' names '{name}', which is not a task of this run."
                    f"{did_you_mean(name, names)} Tasks: {', '.join(task.key for task in tasks)}."
                )

    def setup(self, tasks: Sequence[Task]) -> None:
        """Look up each task's weight, and make the learned ones."""
        weights = self.settings.weights
        self._weights = {
            task.key: weights.get(task.key, weights.get(_label(task), 1.0)) for task in tasks
        }
        if self.settings.weighting == "uncertainty" and len(tasks) > 1:
            self._index = {task.key: index for index, task in enumerate(tasks)}
            # A Gaussian likelihood has the square divided by 2 σ², a softmax the loss by σ².
            self._prefactors = {
                task.key: 1.0 if all(info.is_class for info in task.head.targets) else 0.5
                for task in tasks
            }
            # e^{−v} times the prefactor is then 1.
            start = [math.log(self._prefactors[task.key]) for task in tasks]
            self.log_variance = nn.Parameter(torch.tensor(start))

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of the losses.

        Args:
            losses: A scalar per task key, dimensionless; a task without a label is absent.
        """
        terms = []
        # Sorted: sums of floating-point numbers depend on their order, and runs must not.
        for key in sorted(losses):
            term = self._weights.get(key, 1.0) * losses[key]
            if key in self._index:
                log_variance = self.log_variance[self._index[key]]
                # The second part keeps σ from growing without end.
                term = self._prefactors[key] * torch.exp(-log_variance) * term + 0.5 * log_variance
            terms.append(term)
        return torch.stack(terms).sum()


def _label(task: Task) -> str:
    """Return the task's key without its dataset, by which a weight may name it."""
    return task.key.removeprefix(f"{task.dataset}/")
