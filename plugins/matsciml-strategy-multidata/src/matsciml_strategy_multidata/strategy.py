"""The strategy ``multi-data``."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from matsciml_core import Strategy
from matsciml_core.interfaces.strategy import BatchMode
from matsciml_strategy_multidata.config import MultiDataConfig


class MultiData(Strategy):
    """Every parameter receives ∇ Σ_d mean_{t ∈ d} L_t: each dataset has the same weight.

    The mean runs over the tasks of a dataset that have a label in the step, so that a dataset
    with many labels does not drown one with few. With one task per dataset this is the plain sum.
    """

    def __init__(self, config: MultiDataConfig | None = None) -> None:
        """Choose how batches are joined."""
        super().__init__(config)
        self.settings = config or MultiDataConfig()
        balanced = self.settings.sampling == "balanced"
        self.batch_mode: BatchMode = "max_size_cycle" if balanced else "sampled"

    def shares(self, batches: Mapping[str, int]) -> Mapping[str, float]:
        """Return size^(1 / temperature), or the sizes themselves.

        Args:
            batches: Number of batches in one pass, by dataset.
        """
        # Temperature sampling as for languages in multilingual models: between proportional (1),
        # where small datasets are rarely seen, and equal (∞), where they are overfitted.
        tempered = self.settings.sampling == "temperature"
        power = 1.0 / self.settings.temperature if tempered else 1.0
        return {name: count**power for name, count in batches.items()}

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the sum over datasets of the mean over their tasks.

        Args:
            losses: A scalar per task key, dimensionless; a task without a label is absent.
        """
        groups: dict[str, list[Tensor]] = {}
        # Sorted: sums of floating-point numbers depend on their order, and runs must not.
        for key in sorted(losses):
            groups.setdefault(key.partition("/")[0], []).append(losses[key])
        return torch.stack([torch.stack(group).mean() for group in groups.values()]).sum()
