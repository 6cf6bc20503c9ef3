"""What the runs of all folds say together: numbers as JSON, predictions as CSV, and a page."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.files import open_whole_text, read_object
from matsciml_core.training.run_folder import FINISHED, command_line
from matsciml_core.training.run_folder import PREDICTIONS as RUN_PREDICTIONS
from matsciml_tool_folds.fold_folder import PREDICTIONS, RESULTS, FoldFolder
from matsciml_util_pages.finished_runs import FinishedRun, Spread, metric_unit, read_finished_run
from matsciml_util_pages.metrics import headline_baseline, headline_metric, metric_info
from matsciml_util_pages.numbers import number


@dataclass(frozen=True, kw_only=True)
class FoldResults:
    """The finished runs of a cross-validation."""

    place: FoldFolder
    folds: Mapping[str, Any]
    """What makes the folds, as plain data."""
    runs: Mapping[int, FinishedRun]
    """By the index of the fold, from 0."""

    @property
    def number(self) -> int:
        """Number of folds."""
        return int(self.folds["number"])

    @property
    def keys(self) -> list[str]:
        """The labels, ``"<dataset>/<label>"``."""
        return list(dict.fromkeys(key for run in self.runs.values() for key in run.targets))

    def metrics(self, key: str) -> list[str]:
        """Return the names of the metrics of a label."""
        listed = [name for run in self.runs.values() for name in run.targets[key].metrics]
        return list(dict.fromkeys(listed))

    def baselines(self, key: str) -> list[str]:
        """Return the names of the baselines of a label that every fold has."""
        present = [set(run.targets[key].baselines) for run in self.runs.values()]
        first = next(iter(self.runs.values())).targets[key].baselines
        return [name for name in first if all(name in names for names in present)]

    def spread(self, key: str, metric: str, baseline: str | None = None) -> Spread:
        """Return a metric of the model, or of a baseline, over the folds."""
        targets = [run.targets[key] for run in self.runs.values()]
        return Spread.from_values(
            (target.metrics if baseline is None else target.baselines[baseline]).get(metric)
            for target in targets
        )

    def headline(self, key: str) -> tuple[str, str | None]:
        """Return the metric that speaks for a label, and the baseline that it is compared with."""
        target = next(iter(self.runs.values())).targets[key]
        metric = headline_metric(target.info, target.metrics) or ""
        means = {
            name: {metric: self.spread(key, metric, name).mean} for name in self.baselines(key)
        }
        return metric, headline_baseline(target.info, means)

    def unit(self, key: str, metric: str) -> str:
        """Return the unit of a metric of a label; empty for pure numbers."""
        return metric_unit(metric, next(iter(self.runs.values())).targets[key].unit)


def read_results(place: FoldFolder, folds: Mapping[str, Any]) -> FoldResults | None:
    """Return what the finished folds say; None where none has finished.

    Args:
        place: The folder.
        folds: What makes the folds, as plain data.
    """
    runs = {}
    for fold in range(int(folds["number"])):
        run = place.finished(fold)
        results = None if run is None else read_finished_run(run)
        if results is not None:
            runs[fold] = results
    return FoldResults(place=place, folds=folds, runs=runs) if runs else None


def write_predictions(found: FoldResults) -> None:
    """Join the test predictions of all folds in one file, with the fold of each."""
    with open_whole_text(found.place.path / PREDICTIONS, newline="") as stream:
        writer: csv.DictWriter[str] | None = None
        for fold, run in found.runs.items():
            with (run.folder / RUN_PREDICTIONS).open(newline="", encoding="utf-8") as lines:
                reader = csv.DictReader(lines)
                if writer is None:
                    writer = csv.DictWriter(stream, ["fold", *(reader.fieldnames or ())])
                    writer.writeheader()
                writer.writerows({"fold": fold + 1, **row} for row in reader)


def summary(found: FoldResults) -> dict[str, Any]:
    """Return what ``summary.json`` says.

    Args:
        found: At least one finished run.
    """
    finished = len(found.runs) == found.number
    citations = [text for run in found.runs.values() for text in run.citations]
    return {
        "status": FINISHED if finished else "unfinished",
        "command": command_line(),
        "folds": dict(found.folds),
        "metrics": {
            key: {"unit": target_unit(found, key), **_spreads(found, key, None)}
            for key in found.keys
        },
        "baselines": {
            key: {name: _spreads(found, key, name) for name in found.baselines(key)}
            for key in found.keys
        },
        "runs": [
            {
                "fold": fold + 1,
                "folder": run.folder.relative_to(found.place.path.resolve()).as_posix(),
                "wall_seconds": run.number("wall_seconds"),
                "epochs": run.number("epochs"),
            }
            for fold, run in found.runs.items()
        ],
        "citations": list(dict.fromkeys(citations)),
    }


def target_unit(found: FoldResults, key: str) -> str:
    """Return the unit of a label."""
    return next(iter(found.runs.values())).targets[key].unit


def lines(folder: Path) -> Iterator[str]:
    """Yield a sentence for each label: mean and deviation over the folds, beside a baseline.

    Args:
        folder: The folder of a cross-validation.
    """
    data = read_object(folder / RESULTS) or {}
    done, whole = len(data.get("runs", [])), (data.get("folds") or {}).get("number")
    for key, metrics in (data.get("metrics") or {}).items():
        names = [name for name in metrics if name != "unit"]
        metric = next((name for name in ("mae", "accuracy") if name in names), names[0])
        unit = metric_unit(metric, metrics["unit"])
        text = f"{key}: {metric_info(metric).short} {_text(metrics[metric])} {unit}".rstrip()
        beside = [
            f"{name} {_text(values[metric])}"
            for name, values in data["baselines"][key].items()
            if metric in values
        ]
        yield f"{text} over {done} of {whole} folds; {', '.join(beside)}".removesuffix("; ")


def _spreads(found: FoldResults, key: str, baseline: str | None) -> dict[str, Any]:
    spreads = {name: found.spread(key, name, baseline) for name in found.metrics(key)}
    return {
        name: {"mean": one.mean, "std": one.deviation, "values": list(one.values)}
        for name, one in spreads.items()
        if one.values
    }


def _text(entry: Mapping[str, Any]) -> str:
    if entry["std"] is None:
        return number(entry["mean"])
    return f"{number(entry['mean'])} ± {number(entry['std'])}"
