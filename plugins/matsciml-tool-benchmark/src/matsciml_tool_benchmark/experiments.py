"""The experiments of a table: a row and an encoder, trained once for each seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.training.config_data import merge
from matsciml_tool_benchmark.rows import BenchmarkRow
from matsciml_tool_benchmark.table import BenchmarkTable, Budget, Generation


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A row and an encoder with one seed: one training run."""

    row: BenchmarkRow
    column: str
    """Name of the encoder's column."""
    seed: int
    config: dict[str, Any] = field(hash=False)
    """The run's configuration as plain data, without the folder it is written to."""
    generation: Generation | None = None
    """How crystals are sampled from the model afterwards; None: none are."""

    @property
    def name(self) -> str:
        """What users type behind the table's name: row and column."""
        return f"{self.row.name}/{self.column}"

    @property
    def key(self) -> str:
        """Row, column and seed."""
        return f"{self.name}/seed-{self.seed}"

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration: a finished run counts as long as it stays the same."""
        whole: dict[str, Any] = {"run": self.config}
        if self.generation is not None:
            whole["generation"] = self.generation.model_dump(mode="json")
        text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def plan(table: BenchmarkTable, budget: str, *, seeds: int | None = None) -> list[Experiment]:
    """Return the experiments of a table, in its order; those that differ in their seed together.

    Args:
        table: The table.
        budget: Name of one of its budgets.
        seeds: Runs of each experiment; None: as the budget says.

    Returns:
        The experiments.

    Raises:
        ConfigError: There is no such budget.
    """
    limits = table.budget(budget)
    rows = [row for row in table.rows if not row.budgets or budget in row.budgets]
    return [
        Experiment(
            row=row,
            column=column,
            seed=seed,
            config=_config(table, row, column, seed, limits),
            generation=limits.generation if row.generates else None,
        )
        for row in rows
        for column in row.encoders or table.encoders
        for seed in range(seeds or limits.seeds)
    ]


def select(experiments: Sequence[Experiment], only: Sequence[str]) -> list[Experiment]:
    """Return the experiments that a user names.

    Args:
        experiments: The experiments of a table.
        only: Names of experiments, patterns with ``*``, or parts of names; empty: all.

    Returns:
        The experiments that match one of them.

    Raises:
        ConfigError: Nothing matches.
    """
    selected = [
        experiment
        for experiment in experiments
        if not only
        or any(fnmatchcase(experiment.name, text) or text in experiment.name for text in only)
    ]
    if selected:
        return selected
    names = list(dict.fromkeys(experiment.name for experiment in experiments))
    raise ConfigError(
        f"No experiment matches '{', '.join(only)}'.{did_you_mean(only[0] if only else '', names)}"
        f" Experiments: {', '.join(names) or 'none with this budget'}."
    )


def _config(
    table: BenchmarkTable, row: BenchmarkRow, column: str, seed: int, budget: Budget
) -> dict[str, Any]:
    """Return the configuration of a run."""
    encoder = row.encoders.get(column) or table.encoders.get(column) or {}
    data: dict[str, Any] = {
        "datasets": [{"name": name, **budget.datasets.get(name, {})} for name in row.datasets],
        "targets": list(row.targets),
        "encoder": {"name": column, **encoder},
        "training": {"seed": seed},
    }
    if row.strategy:
        data["strategy"] = {"name": row.strategy}
    if budget.epochs is not None:
        data["training"]["epochs"] = budget.epochs
    if budget.crystals is not None:
        data["split"] = {"max_train_crystals": budget.crystals}
    # Later ones win. The row comes last: what it sets is part of the experiment, while a budget
    # only says what it may cost.
    for settings in (budget.settings, budget.columns.get(column, {}), row.settings):
        merge(data, settings)
    return data
