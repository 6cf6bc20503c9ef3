"""What ``matsciml run`` does once its request is read: run, and print what came out."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from matsciml_cli.console import warn
from matsciml_cli.failures import INTERRUPTED
from matsciml_core import RunResult
from matsciml_core.model.latest import LATEST
from matsciml_core.registry.manager import Registry
from matsciml_core.training import assemble, run, run_folder

_MOST_COLUMNS = 8
"""Metrics that fit side by side; more get a row each."""


def start(raw: Mapping[str, Any], registry: Registry) -> None:
    """Run, and print the result.

    Args:
        raw: The configuration as plain data.
        registry: Where components are looked up.

    Raises:
        MatSciMLError: Something the user can fix is wrong.
        typer.Exit: The user pressed Ctrl-C.
    """
    config = assemble.resolve(raw, registry)
    result = _interruptible(lambda: run.start(config, registry))
    show(Console(), result, run_folder.find_run(Path(config.output) / LATEST))


def resume(path: Path, registry: Registry, changes: Mapping[str, Any]) -> None:
    """Continue a run, and print the result.

    Args:
        path: The run folder, or a link to it.
        registry: Where components are looked up.
        changes: Settings of the section ``training`` to change.

    Raises:
        MatSciMLError: Something the user can fix is wrong.
        typer.Exit: The user pressed Ctrl-C.
    """
    result = _interruptible(lambda: run.resume(path, registry, changes))
    show(Console(), result, run_folder.find_run(path))


def _interruptible(work: Callable[[], RunResult]) -> RunResult:
    try:
        return work()
    except run.RunInterrupted as stop:
        print(f"\n{interruption(stop.folder)}")
        raise typer.Exit(INTERRUPTED) from stop


def interruption(folder: Path) -> str:
    """Return what an interrupted run has left behind, and how to go on.

    Args:
        folder: The run folder.

    Returns:
        Lines of text; the last is a command to type.
    """
    checkpoint = folder / run_folder.CHECKPOINTS / run_folder.LAST_CHECKPOINT
    if not checkpoint.is_file():
        config = shlex.quote(str(folder / run_folder.CONFIG))
        return (
            "Interrupted before anything was saved. Start again with:\n"
            f"  matsciml run --config {config}"
        )
    epochs = len(run_folder.read_metrics(folder))
    finished = f"{epochs} finished {'epoch' if epochs == 1 else 'epochs'}"
    return (
        f"Interrupted. {folder} holds a checkpoint and the metrics of {finished}; the model and "
        "the report are written when the run ends. Resume with:\n"
        f"  matsciml run --resume {shlex.quote(str(folder))}"
    )


def show(console: Console, result: RunResult, folder: Path) -> None:
    """Print test metrics beside the baselines, and where the report lies."""
    for key, metrics in result.metrics.items():
        title = f"{key}, test set ({metrics['count']} values)"
        console.print(_table(title, {"model": metrics, **result.baselines[key]}))
    console.print(f"Run folder: {folder}", soft_wrap=True)
    for note in result.notes:
        console.print(note, soft_wrap=True, markup=False)
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
