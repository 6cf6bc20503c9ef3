"""What ``matsciml run`` prints: results of a run, or how to go on with it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from matsciml_cli.console import warn
from matsciml_core.errors import visible
from matsciml_core.training import run_folder
from matsciml_core.training.outcome import RunInterrupted
from matsciml_core.training.result import TrainingResult

_WIDEST = 1000
"""Characters of a line that is written to no terminal."""
_MOST_COLUMNS = 8
"""Metrics that fit side by side; more get a row each."""


def explain_interruption(stop: RunInterrupted) -> str:
    """Return what an interrupted run has left behind, and how to go on.

    Args:
        stop: The interruption.

    Returns:
        Lines of text; the last is a command to type.
    """
    if stop.finished:
        return (
            f"Interrupted while the report was written; the run in {stop.folder} is finished. "
            "Write the report with:\n"
            f"  matsciml run --resume {shlex.quote(str(stop.folder))}"
        )
    if not stop.resumable:
        return (
            "Interrupted before anything was saved. Start again with:\n"
            f"  matsciml run --config {shlex.quote(str(stop.folder / run_folder.CONFIG))}"
        )
    epochs = len(run_folder.read_metrics(stop.folder))
    finished = f"{epochs} finished {'epoch' if epochs == 1 else 'epochs'}"
    return (
        f"Interrupted. {stop.folder} holds a checkpoint and the metrics of {finished}; the model "
        f"and the report are written when the run ends. Resume with:\n"
        f"  matsciml run --resume {shlex.quote(str(stop.folder))}"
    )


def show(result: TrainingResult) -> None:
    """Print test metrics beside the baselines, and where everything lies."""
    console = Console()
    if not console.is_terminal:  # a file has no edge at which numbers would have to be cut
        console = Console(width=_WIDEST)
    for key, metrics in result.metrics.items():
        title = escape(visible(f"{key}, test set ({metrics['count']} values)"))
        console.print(_table(title, {"model": metrics, **result.baselines[key]}))
    console.print(visible(f"Run folder: {result.folder}"), soft_wrap=True, markup=False)
    for note in result.notes:
        console.print(visible(note), soft_wrap=True, markup=False)
    for problem in result.problems:
        warn(problem)


def _table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return metrics by predictor: a row for each predictor, or for each of many metrics."""
    metrics = rows["model"]
    names = [name for name in metrics if name not in ("unit", "count")]
    units = {name: _unit(name, metrics["unit"]) for name in names}
    lines = [["predictor", *(f"{name} ({units[name]})" if units[name] else name for name in names)]]
    for predictor, values in rows.items():
        lines.append([predictor, *(f"{values[n]:.4g}" if n in values else "" for n in names)])
    if many := len(names) > _MOST_COLUMNS:
        lines = [list(column) for column in zip(*lines, strict=True)]
        lines[0][0] = "metric"
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(lines[0]):
        table.add_column(heading, justify="right" if number else "left")
    for number, cells in enumerate(lines[1:]):
        table.add_row(*cells, style=None if many or number else "bold")
    return table


def _unit(metric: str, unit: str) -> str:
    """Return the unit of a metric of labels in ``unit``; empty for pure numbers."""
    if metric in ("mae", "rmse"):
        return unit
    return f"{unit}, squared" if metric == "mse" else ""
