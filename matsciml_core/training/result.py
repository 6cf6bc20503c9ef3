"""What :func:`matsciml_core.train` returns."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from matsciml_core.model.location import DESCRIPTION, read_description
from matsciml_core.model.trained import TrainedModel
from matsciml_core.registry.specs import RunResult
from matsciml_core.training.run_folder import read_metrics

if TYPE_CHECKING:
    from matsciml_core.training.prepare import Run


@dataclass(frozen=True, kw_only=True)
class TrainingResult(RunResult):
    """A finished run: what it measured, where it lies, and the model that it trained.

    ``metrics`` and ``baselines`` are of the test set, by ``"<dataset>/<label>"``, in the label's
    unit.
    """

    folder: Path
    """The run folder."""
    run: Run = field(repr=False)
    """The objects of the run: datasets, encoder, heads, strategy."""

    @cached_property
    def history(self) -> dict[str, list[float]]:
        """The columns of ``metrics.csv``, one number for each epoch; NaN where there is none.

        Keys are ``epoch``, ``seconds``, ``train/loss``, ``validation/<dataset>/<label>/mae``, …;
        ``pandas.DataFrame(result.history)`` is a table of them.
        """
        rows = read_metrics(self.folder)
        return {
            name: [float(row[name]) if row[name] else math.nan for row in rows]
            for name in (rows[0] if rows else ())
        }

    @cached_property
    def model(self) -> TrainedModel:
        """The trained model with its best weights, on the run's device, ready to predict.

        It is a copy: an encoder that was handed over can be trained further.
        """
        encoder, tasks = copy.deepcopy((self.run.encoder, self.run.tasks))
        description = read_description(self.folder / DESCRIPTION)
        model = TrainedModel(encoder, tasks, description, self.folder)
        return model.to(str(self.run.device))

    def __str__(self) -> str:
        """Return the test metrics beside a baseline, a line for each label, and the folder."""
        lines = []
        for key, metrics in self.metrics.items():
            name = next(name for name in metrics if name not in ("unit", "count"))
            unit = f" {metrics['unit']}" if name == "mae" else ""
            beside = [
                f" ({baseline}: {values[name]:.4g})"
                for baseline, values in self.baselines[key].items()
                if name in values
            ]
            lines.append(f"{key}: {name} {metrics[name]:.4g}{unit}{''.join(beside[:1])}")
        return "\n".join([*lines, f"Run folder: {self.folder}", *self.notes, *self.problems])
