"""What ``matsciml run`` does once its flags are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from matsciml_cli._errors import INTERRUPTED
from matsciml_core import RunResult, build_registry
from matsciml_core.errors import ConfigError
from matsciml_core.training import assemble, run_folder
from matsciml_core.training.config import merge, normalise, parse_overrides, read_config_file
from matsciml_core.training.run import RunInterrupted, resume, start


def execute(
    flags: Mapping[str, Any], file: Path | None, overrides: Sequence[str], resumed: Path | None
) -> None:
    """Run, or continue a run, and print its result.

    Flags win over ``--set``, ``--set`` over the file, and all over defaults.

    Raises:
        MatSciMLError: Something the user can mend is wrong.
        typer.Exit: The user pressed Ctrl-C.
    """
    console = Console()
    registry = build_registry()
    try:
        if resumed is not None:
            changes = _resume_changes(flags, file, overrides)
            result, folder = resume(resumed, registry, changes), run_folder.find_run(resumed)
        else:
            config = assemble.resolve(_raw(flags, file, overrides), registry)
            result = start(config, registry)
            folder = run_folder.find_run(Path(config.output) / run_folder.LATEST)
    except RunInterrupted as stop:
        console.print(f"\n{stop}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from stop
    show(console, result, folder)


def show(console: Console, result: RunResult, folder: Path) -> None:
    """Print test metrics beside the trivial predictors, and where the report lies."""
    for key, metrics in result.metrics.items():
        table = Table(title=f"{key}, test part ({metrics['count']} values)", title_justify="left")
        table.add_column("predictor")
        names = [name for name in metrics if name not in ("unit", "count")]
        for name in names:
            unit = _unit(name, metrics["unit"])
            table.add_column(f"{name} ({unit})" if unit else name, justify="right")
        rows = {"model": metrics, **result.baselines[key]}
        for predictor, values in rows.items():
            cells = [f"{values[name]:.4g}" if name in values else "" for name in names]
            table.add_row(predictor, *cells, style="bold" if predictor == "model" else None)
        console.print(table)
    console.print(f"Run folder: {folder}", soft_wrap=True)
    console.print(f"Report:     {folder / 'report.html'}", soft_wrap=True)


def _raw(flags: Mapping[str, Any], file: Path | None, overrides: Sequence[str]) -> dict[str, Any]:
    """Join file, ``--set`` and flags into plain data."""
    data = normalise(read_config_file(file)) if file is not None else {}
    named = {key: value for key, value in flags.items() if value}
    for section in ("encoder", "strategy"):
        _name(data, section, named.pop(section, None))
    _name_datasets(data, named.pop("datasets", None))
    changes = parse_overrides(overrides)
    dataset = changes.pop("dataset", None)
    merge(data, changes)
    if dataset is not None:
        data["dataset"] = dataset
        data = normalise(data)
    return merge(data, named)


def _name(data: dict[str, Any], section: str, name: str | None) -> None:
    """Let a flag name a component; settings in the file hold only for the one named there."""
    if name is not None and data.get(section, {}).get("name") != name:
        data[section] = {"name": name}


def _name_datasets(data: dict[str, Any], names: Sequence[str] | None) -> None:
    if names:
        known = {item.get("name"): item for item in data.get("datasets", [])}
        data["datasets"] = [known.get(name, {"name": name}) for name in names]


def _resume_changes(
    flags: Mapping[str, Any], file: Path | None, overrides: Sequence[str]
) -> dict[str, Any]:
    """Return the training settings to change on resume; nothing else may change."""
    changes = parse_overrides(overrides)
    training = changes.pop("training", {})
    fixed = [key for key in ("datasets", "encoder", "targets", "strategy", "output") if flags[key]]
    if file is not None or changes or fixed:
        raise ConfigError(
            "'--resume' continues a run as it was configured; only training settings such as "
            "--epochs may be given with it."
        )
    return {**training, **flags["training"]}


def _unit(metric: str, unit: str) -> str:
    """Return the unit of a metric of labels in ``unit``; empty for pure numbers."""
    if metric in ("mae", "rmse"):
        return unit
    return f"{unit}, squared" if metric == "mse" else ""
