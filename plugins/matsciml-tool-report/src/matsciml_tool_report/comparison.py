"""One page that compares runs: what they reached, how they learnt, and where they differ."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matsciml_tool_report.curves import Curve, CurvePlot, learning_curve
from matsciml_tool_report.run_folders import KnownRun
from matsciml_util_pages import svg
from matsciml_util_pages.finished_runs import TargetResult, metric_unit
from matsciml_util_pages.metrics import headline_metric, metric_info, predictor
from matsciml_util_pages.numbers import (
    ABSENT,
    count,
    counted,
    duration,
    moment,
    number,
    words,
)
from matsciml_util_pages.plots import Absent, Plot
from matsciml_util_pages.sheet_page import write_page
from matsciml_util_pages.sheets import Column, Page, Section, Sheet, Value, number_value
from matsciml_util_pages.views import facts

_COLOURS = (
    svg.MODEL,
    svg.SECOND,
    svg.BASELINE,
    svg.DENSITY[2],
    svg.DIVERGING[1],
    svg.INK,
)
"""One for each curve of a figure; more could not be told apart."""


def write_comparison(runs: Sequence[KnownRun], path: Path, command: str = "") -> Path:
    """Write a page that compares runs.

    Args:
        runs: The runs; at least one.
        path: The file.
        command: The command that made it, for people.

    Returns:
        The file.
    """
    return write_page(comparison_page(runs, path.resolve().parent, command), path)


def comparison_page(runs: Sequence[KnownRun], folder: Path, command: str = "") -> Page:
    """Return the page, with links relative to the folder that it is written to."""
    letters = dict(zip((run.folder for run in runs), _letters(), strict=False))
    results = Section(
        anchor="results",
        title="Results",
        lead="On the test set, in physical units. A letter stands for its run in all of the page.",
        sheet=_results(runs, letters, folder),
    )
    learning = Section(anchor="learning", title="Learning", figures=_curves(runs, letters))
    differences = _differences(runs, letters)
    settings = Section(
        anchor="settings",
        title="Settings that differ",
        lead="" if differences else "All settings are the same.",
        sheet=differences,
    )
    return Page(
        eyebrow="MatSciML comparison",
        title=f"{counted(len(runs), 'run')} compared",
        facts=facts(
            ("Finished", f"{sum(run.results is not None for run in runs)} of {len(runs)}"),
        ),
        notices=list(_notices(runs)),
        sections=[results, learning, settings],
        command=command,
        citations=list(
            dict.fromkeys(text for run in runs if run.results for text in run.results.citations)
        ),
    )


def _letters() -> Iterator[str]:
    """Yield A to Z, then A2 and so on."""
    place = 1
    while True:
        for letter in string.ascii_uppercase:
            yield letter if place == 1 else f"{letter}{place}"
        place += 1


def _results(runs: Sequence[KnownRun], letters: Mapping[Path, str], folder: Path) -> Sheet:
    columns = [
        Column(key="run", title="Run"),
        Column(key="task", title="Label", facet=True),
        Column(key="encoder", title="Encoder", facet=True),
        Column(key="strategy", title="Strategy", facet=True),
        Column(key="metric", title="Metric"),
        Column(key="value", title="Model", numeric=True, strong=True),
        Column(
            key="baseline", title="Baseline", numeric=True, meaning="What no model is needed for"
        ),
        Column(key="skill", title="Skill", numeric=True, meaning=metric_info("skill").meaning),
        Column(key="crystals", title="Trained on", numeric=True, meaning="Crystals"),
        Column(key="parameters", title="Parameters", numeric=True),
        Column(key="epochs", title="Epochs", numeric=True),
        Column(key="time", title="Time", numeric=True),
        Column(key="seed", title="Seed", numeric=True),
        Column(key="started", title="Started"),
        Column(key="state", title="State", facet=True),
    ]
    rows = [row for run in runs for row in _rows(run, letters[run.folder], folder)]
    return Sheet(caption="Every label of every run", columns=columns, rows=rows)


def _rows(run: KnownRun, letter: str, folder: Path) -> Iterator[dict[str, Value]]:
    shared = _shared(run, letter, folder)
    if run.results is None or not run.results.targets:
        nothing = ("task", "metric", "value", "baseline", "skill", "crystals")
        yield {**dict.fromkeys(nothing, Value(ABSENT, tone="quiet")), **shared}
        return
    for result in run.results.targets.values():
        yield {**shared, **_of_target(result)}


def _shared(run: KnownRun, letter: str, folder: Path) -> dict[str, Value]:
    results = run.results
    parameters = results.number("parameters", "total") if results else None
    seconds = results.number("wall_seconds") if results else None
    seed = run.training("seed")
    done = len(run.files.epochs)
    return {
        "run": Value(letter, below=run.name, link=_link(run.folder / "report.html", folder)),
        "encoder": Value(run.component("encoder")),
        "strategy": Value(run.component("strategy")),
        "parameters": Value(count(round(parameters)), order=parameters)
        if parameters is not None
        else Value(ABSENT, tone="quiet"),
        "epochs": Value(count(done), order=done),
        "time": Value(duration(seconds), order=seconds),
        "seed": Value(str(seed) if isinstance(seed, int) else ABSENT, order=seed),
        "started": Value(moment(run.files.summary["started"]))
        if run.files.summary.get("started")
        else Value(ABSENT, tone="quiet"),
        "state": Value("finished", tone="good") if results else Value("not finished", tone="bad"),
    }


def _of_target(result: TargetResult) -> dict[str, Value]:
    metric = headline_metric(result.info, result.metrics) or ""
    value = result.metrics.get(metric)
    name = result.baseline
    baseline = result.baselines[name].get(metric) if name else None
    below = predictor(name).removeprefix("predicting ") if name else ""
    return {
        "task": Value(words(result.label), below=result.dataset),
        "metric": Value(metric_info(metric).short, below=metric_unit(metric, result.unit)),
        "value": number_value(value),
        "baseline": Value(number(baseline), order=baseline, below=below),
        "skill": number_value(result.metrics.get("skill")),
        "crystals": Value(count(result.training_crystals), order=result.training_crystals),
    }


def _link(file: Path, folder: Path) -> str:
    """Return the address of a file relative to the page; empty where the file is not there."""
    return Path(os.path.relpath(file, folder)).as_posix() if file.is_file() else ""


def _notices(runs: Sequence[KnownRun]) -> Iterator[str]:
    splits: dict[str, set[str]] = {}
    for run in runs:
        for key, result in (run.results.targets if run.results else {}).items():
            splits.setdefault(key, set()).add(result.split)
    for key, found in splits.items():
        if len(found) > 1:
            yield (
                f"The runs on {words(key)} were made with {len(found)} different splits, so that "
                "they were tested on different crystals; their errors do not compare."
            )


def _curves(runs: Sequence[KnownRun], letters: Mapping[Path, str]) -> list[Plot | Absent]:
    """Return a figure for each label: its validation metric in every run."""
    found: dict[tuple[str, str], list[KnownRun]] = {}
    units: dict[str, str] = {}
    for run in runs:
        for key, result in (run.results.targets if run.results else {}).items():
            metric = headline_metric(result.info, result.metrics)
            if metric is not None and f"validation/{key}/{metric}" in run.files.history:
                found.setdefault((key, metric), []).append(run)
                units[key] = metric_unit(metric, result.unit)
    figures = [
        _curve(key, metric, members, letters, units[key])
        for (key, metric), members in found.items()
    ]
    figures.sort(key=lambda figure: isinstance(figure, Absent))
    return figures or [Absent("No run has recorded a metric of the validation set.")]


def _curve(
    key: str,
    metric: str,
    runs: Sequence[KnownRun],
    letters: Mapping[Path, str],
    unit: str,
) -> Plot | Absent:
    shown = runs[: len(_COLOURS)]
    longest = max(shown, key=lambda run: len(run.files.epochs))
    curves = [
        Curve(letters[run.folder], _padded(run, key, metric, len(longest.files.epochs)), colour)
        for run, colour in zip(shown, _COLOURS, strict=False)
    ]
    left_out = f" (first {len(shown)} of {len(runs)} runs)" if len(runs) > len(shown) else ""
    title = f"Validation {metric_info(metric).short}"
    plot = CurvePlot(
        title=title,
        subject=f"{words(key)}{left_out}",
        unit=unit,
        epochs=longest.files.epochs,
        curves=curves,
    )
    return learning_curve(plot)


def _padded(run: KnownRun, key: str, metric: str, length: int) -> Any:
    import numpy as np  # noqa: PLC0415 - only where curves are drawn

    values = run.files.history[f"validation/{key}/{metric}"]
    return np.pad(values, (0, length - len(values)), constant_values=np.nan)


def _differences(runs: Sequence[KnownRun], letters: Mapping[Path, str]) -> Sheet | None:
    """Return the settings that are not the same in all runs; None where there are none."""
    settings = {run.folder: run.settings() for run in runs}
    names = dict.fromkeys(name for one in settings.values() for name in one)
    differing = [
        name
        for name in names
        if name != "output" and len({one.get(name) for one in settings.values()}) > 1
    ]
    if not differing:
        return None
    columns = [Column(key="setting", title="Setting")]
    columns += [Column(key=letters[run.folder], title=letters[run.folder]) for run in runs]
    rows = [
        {"setting": Value(name)}
        | {letters[run.folder]: _setting(settings[run.folder].get(name)) for run in runs}
        for name in differing
    ]
    return Sheet(caption="Settings by run", columns=columns, rows=rows)


def _setting(value: str | None) -> Value:
    return Value(ABSENT, tone="quiet") if value is None else Value(value.strip('"'))
