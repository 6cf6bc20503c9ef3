"""The entries of a table: one for each label of each experiment, over all its seeds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from matsciml_tool_benchmark.availability import REASONS, Unavailable
from matsciml_tool_benchmark.experiments import Experiment
from matsciml_tool_benchmark.rows import BenchmarkRow, PublishedNumber
from matsciml_tool_benchmark.table import BenchmarkTable
from matsciml_tool_benchmark.table_folder import Status, TableFolder
from matsciml_util_pages.finished_runs import (
    SeedResults,
    Spread,
    read_finished_run,
    usual_metric,
)


@dataclass(frozen=True, kw_only=True)
class Entry(SeedResults):
    """What the table says about one label of one experiment."""

    experiment: str
    """Table, row and column."""
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
        """The metric of each baseline, by its name; of the first seed."""
        baselines = self.results[0].baselines if self.results else {}
        return {
            name: metrics[self.metric]
            for name, metrics in baselines.items()
            if self.metric in metrics
        }

    def as_dict(self, folder: Path) -> dict[str, Any]:
        """Return the entry as plain data, for CSV and JSON; runs are relative to ``folder``."""
        baseline_name, baseline = self.baseline or ("", None)
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
            "baseline": baseline,
            "baseline_name": baseline_name,
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
    """Return the entries of a table.

    Args:
        table: The table.
        experiments: Its experiments; those that differ in their seed stand together.
        folder: Where their runs are.
        unavailable: Why experiments cannot run here, by their names.

    Returns:
        The entries, in the order of the experiments; those that cannot run here come last.
    """
    entries = [
        entry
        # plan() lets the seeds of an experiment follow one another.
        for name, group in groupby(experiments, key=lambda experiment: experiment.name)
        for entry in _experiment_entries(table, list(group), folder, unavailable.get(name))
    ]
    return sorted(entries, key=lambda entry: entry.state in REASONS)


def _experiment_entries(
    table: BenchmarkTable,
    seeds: Sequence[Experiment],
    folder: TableFolder,
    unavailable: Unavailable | None,
) -> Iterator[Entry]:
    """Yield the entries of one experiment, given with each of its seeds."""
    statuses = [folder.status(experiment) for experiment in seeds]
    # A run may have finished and its summary still be unreadable, on a full disk for example.
    finished = [
        status.run for status in statuses if status.state == "finished" and status.run is not None
    ]
    runs = [run for run in map(read_finished_run, finished) if run is not None]
    state, remark = _state(statuses, unavailable, len(runs))
    row, column = seeds[0].row, seeds[0].column
    # What a run tested is what counts: a head may add labels, or a row name none.
    for key in list(runs[0].targets) if runs else row.label_keys:
        dataset, _, label = key.rpartition("/")
        results = [run.targets[key] for run in runs if key in run.targets]
        chosen = row.metrics.get(label) or table.metrics.get(label) or ()
        names = [chosen] if isinstance(chosen, str) else list(chosen)
        measured = [name for name in names if not results or name in results[0].metrics]
        # The head may not measure what the table asks for; a number of its own is better than none.
        usual = usual_metric(results[0].info) if results else "mse"
        for metric in measured or [usual]:
            published = row.published_number(column, label, metric)
            yield Entry(
                experiment=f"{table.name}/{seeds[0].name}",
                row=row,
                column=column,
                dataset=dataset,
                label=label,
                metric=metric,
                state=state,
                remark=remark,
                seeds=len(seeds),
                published=published,
                notes=(*row.notes, *(published.notes if published else ())),
                results=results,
                runs=runs,
            )


def _state(
    statuses: Sequence[Status], unavailable: Unavailable | None, finished: int
) -> tuple[str, str]:
    """Return the state of an experiment over its seeds, and the remark on it."""
    if finished == len(statuses):
        return "finished", ""
    # Runs that finished before the data were removed keep their numbers.
    if unavailable is not None and not finished:
        return unavailable.state, unavailable.sentence
    stopped = [status for status in statuses if status.state in ("failed", "interrupted")]
    # A failure says more than an interruption.
    worst = min(stopped, key=lambda status: status.state != "failed", default=None)
    if finished:
        sentence = worst.sentence if worst else ""
        return "partly finished", f"{finished} of {len(statuses)} seeds. {sentence}".strip()
    return (worst.state, worst.sentence) if worst else ("waiting", "")


def references(entries: Sequence[Entry]) -> dict[tuple[str, str, str], Entry]:
    """Return the entries that others are compared with, by dataset, label and column."""
    return {
        (entry.dataset, entry.label, entry.column): entry
        for entry in entries
        if entry.row.reference
    }
