"""The lines of a table: one for each label of each experiment, with all seeds put together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_tool_benchmark.availability import UNAVAILABLE, Unavailable
from matsciml_tool_benchmark.experiments import Experiment, by_name
from matsciml_tool_benchmark.rows import BenchmarkRow, PublishedNumber
from matsciml_tool_benchmark.table import BenchmarkTable
from matsciml_tool_benchmark.table_folder import Status, TableFolder
from matsciml_util_pages.finished_runs import (
    FinishedRun,
    SeedResults,
    Spread,
    TargetResult,
    read_finished_run,
    usual_metric,
)


@dataclass(frozen=True, kw_only=True)
class Entry(SeedResults):
    """What the table says about one label of one experiment."""

    experiment: str
    row: BenchmarkRow
    column: str
    dataset: str
    label: str
    state: str
    """``finished``, ``partly finished``, ``failed``, ``interrupted``, ``waiting``, or why it is
    unavailable."""
    remark: str
    """Why there is no number, or what is missing."""
    seeds: int
    """Seeds that were asked for."""
    published: PublishedNumber | None
    notes: tuple[str, ...]

    @property
    def standardised(self) -> Spread:
        """The mean square error in squared standard deviations, over the seeds."""
        return Spread.from_values(result.standardised_mse for result in self.results)

    @property
    def baselines(self) -> dict[str, float]:
        """What every baseline, or oracle, scores, by its name; of the first seed."""
        found = self.results[0].baselines if self.results else {}
        return {
            name: values[self.metric] for name, values in found.items() if self.metric in values
        }

    def as_dict(self, folder: Path) -> dict[str, Any]:
        """Return the line as plain data, for CSV and JSON; runs are named from ``folder`` on."""
        baseline = self.baseline
        return {
            "experiment": self.experiment,
            "title": self.row.title,
            "dataset": self.dataset,
            "label": self.label,
            "encoder": self.column,
            "strategy": self.row.strategy,
            "metric": self.metric,
            "unit": self.unit,
            "mean": self.value.mean,
            "std": self.value.deviation,
            "seeds": len(self.value.values),
            "published": self.published.value if self.published else None,
            "published_unit": self.published.unit if self.published else "",
            "published_encoder": self.published.encoder if self.published else "",
            "baseline": baseline[1] if baseline else None,
            "baseline_name": baseline[0] if baseline else "",
            "mae": self.over_seeds("mae").mean,
            "rmse": self.over_seeds("rmse").mean,
            "r2": self.over_seeds("r2").mean,
            "skill": self.over_seeds("skill").mean,
            "standardised_mse": self.standardised.mean,
            "training_crystals": self.results[0].training_crystals if self.results else None,
            "parameters": self.cost("parameters", "total"),
            "wall_seconds": self.cost("wall_seconds"),
            "state": self.state,
            "remark": self.remark,
            "runs": " ".join(os.path.relpath(run.folder, folder) for run in self.runs),
        }


def table_entries(
    table: BenchmarkTable,
    experiments: Sequence[Experiment],
    folder: TableFolder,
    unavailable: Mapping[str, Unavailable],
) -> list[Entry]:
    """Return the lines of a table.

    Args:
        table: The table.
        experiments: Its experiments.
        folder: Where their runs are.
        unavailable: Experiments that cannot run here, by name.

    Returns:
        The lines, in the order of the experiments; those that cannot run here come last.
    """
    lines = [
        line for group in by_name(experiments) for line in _lines(table, group, folder, unavailable)
    ]
    return sorted(lines, key=lambda line: line.state in UNAVAILABLE)


def _lines(
    table: BenchmarkTable,
    group: Sequence[Experiment],
    folder: TableFolder,
    unavailable: Mapping[str, Unavailable],
) -> Iterator[Entry]:
    """Yield the lines of the experiments that differ in their seed only."""
    statuses = [folder.status(experiment) for experiment in group]
    runs = [
        found
        for status in statuses
        if status.state == "finished" and status.run is not None
        for found in [read_finished_run(status.run)]
        if found is not None
    ]
    first = group[0]
    state, remark = _state(statuses, unavailable.get(first.name), len(runs))
    for key in _keys(first.row, runs):
        dataset, _, label = key.rpartition("/")
        results = [run.targets[key] for run in runs if key in run.targets]
        for metric in _metrics(table, first.row, label, results):
            published = _published(first.row, first.column, label, metric)
            yield Entry(
                experiment=f"{table.name}/{first.name}",
                row=first.row,
                column=first.column,
                dataset=dataset,
                label=label,
                metric=metric,
                state=state,
                remark=remark,
                seeds=len(group),
                published=published,
                notes=(*first.row.notes, *(published.notes if published else ())),
                results=results,
                runs=runs,
            )


def _keys(row: BenchmarkRow, runs: Sequence[FinishedRun]) -> list[str]:
    """Return ``dataset/label`` of what is predicted, as the runs say or as it is planned."""
    if runs:
        return list(runs[0].targets)
    owner = "+".join(row.datasets)
    return [one if "/" in one else f"{owner}/{one}" for one in row.targets] or [f"{owner}/"]


def _state(statuses: Sequence[Status], found: Unavailable | None, finished: int) -> tuple[str, str]:
    if finished == len(statuses):
        return "finished", ""
    if found is not None and not finished:
        return found.state, found.sentence
    failed = next((one for one in statuses if one.state == "failed"), None)
    stopped = next((one for one in statuses if one.state == "interrupted"), None)
    worst = failed or stopped
    if finished:
        remark = f"{finished} of {len(statuses)} seeds. {worst.sentence if worst else ''}".strip()
        return "partly finished", remark
    return (worst.state, worst.sentence) if worst else ("waiting", "")


def _metrics(
    table: BenchmarkTable, row: BenchmarkRow, label: str, results: Sequence[TargetResult]
) -> list[str]:
    """Return the metrics by which a label is compared; its kind's usual one where none is there."""
    chosen = row.metrics.get(label) or table.metrics.get(label) or ()
    names = [chosen] if isinstance(chosen, str) else list(chosen)
    known = [name for name in names if not results or name in results[0].metrics]
    return known or [usual_metric(results[0].info) if results else "mse"]


def _published(row: BenchmarkRow, column: str, label: str, metric: str) -> PublishedNumber | None:
    """Return the published number for a column, or the best of all columns."""
    mine = [
        one
        for one in row.published
        if one.target in (label, "")
        and (one.target or len(row.targets) < 2)
        and one.metric in (metric, "")
    ]
    for wanted in (column, ""):
        for number in mine:
            if number.encoder == wanted:
                return number
    return None


def references(lines: Sequence[Entry]) -> dict[tuple[str, str, str], Entry]:
    """Return the reference lines by dataset, label and column."""
    return {(one.dataset, one.label, one.column): one for one in lines if one.row.reference}
