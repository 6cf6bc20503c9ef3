"""One page that compares runs: what they reached, how they learnt, and where they differ."""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from matsciml_tool_report.learning_curves import Curve, CurvePlot, learning_curve
from matsciml_tool_report.report import REPORT
from matsciml_tool_report.run_folders import ComparedRun
from matsciml_util_pages import svg
from matsciml_util_pages.finished_runs import TargetResult, metric_unit
from matsciml_util_pages.metrics import describe_baseline, headline_metric, metric_info
from matsciml_util_pages.numbers import ABSENT, count, counted, duration, moment, number, words
from matsciml_util_pages.pages import Page, Section, write_page
from matsciml_util_pages.plots import Figures, Plot
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value
from matsciml_util_pages.views import Absent, facts

_COLOURS = (
    svg.MODEL,
    svg.SECOND,
    svg.BASELINE,
    svg.DENSITY[2],
    svg.DIVERGING[1],
    svg.INK,
)
"""One for each curve of a figure; more could not be told apart."""
_COLUMNS = (
    Column(key="run", title="Run"),
    Column(key="task", title="Label", facet=True),
    Column(key="encoder", title="Encoder", facet=True),
    Column(key="strategy", title="Strategy", facet=True),
    Column(key="metric", title="Metric"),
    Column(key="value", title="Model", numeric=True, strong=True),
    Column(key="baseline", title="Baseline", numeric=True, meaning="What no model is needed for"),
    Column(key="skill", title="Skill", numeric=True, meaning=metric_info("skill").meaning),
    Column(key="crystals", title="Trained on", numeric=True, meaning="Crystals"),
    Column(key="parameters", title="Parameters", numeric=True),
    Column(key="epochs", title="Epochs", numeric=True),
    Column(key="time", title="Time", numeric=True),
    Column(key="seed", title="Seed", numeric=True),
    Column(key="started", title="Started"),
    Column(key="state", title="State", facet=True),
)
_MISSING = Value(ABSENT, tone="quiet")


def write_comparison(runs: Sequence[ComparedRun], path: Path, command: str = "") -> Path:
    """Write a page that compares runs.

    Args:
        runs: The runs; at least one.
        path: The file.
        command: The command that made it, for people.

    Returns:
        The file.
    """
    folder = path.resolve().parent

    def report_of(run: Path) -> str:
        report = run / REPORT
        return Path(os.path.relpath(report, folder)).as_posix() if report.is_file() else ""

    return write_page(comparison_page(runs, report_of, command), path)


def comparison_page(
    runs: Sequence[ComparedRun], address: Callable[[Path], str], command: str = ""
) -> Page:
    """Return the page.

    Args:
        runs: The runs; at least one.
        address: Returns the address of the report of a run folder; empty where it has none.
        command: The command that made it, for people.
    """
    alphabet = string.ascii_uppercase
    letters = {
        # A to Z, then A2 and so on.
        run.folder: alphabet[index % 26] + (str(index // 26 + 1) if index > 25 else "")
        for index, run in enumerate(runs)
    }
    rows = [row for run in runs for row in _rows(run, letters[run.folder], address(run.folder))]
    differences = _differences(runs, letters)
    results = Section(
        anchor="results",
        title="Results",
        lead="On the test set, in physical units. A letter stands for its run in all of the page.",
        views=[Sheet(caption="Every label of every run", columns=_COLUMNS, rows=rows)],
    )
    curves = Figures(_curves(runs, letters))
    settings = Section(
        anchor="settings",
        title="Settings that differ",
        lead="" if differences else "All settings are the same.",
        views=[differences] if differences else [],
    )
    finished = [run.results for run in runs if run.results is not None]
    return Page(
        eyebrow="MatSciML comparison",
        title=f"{counted(len(runs), 'run')} compared",
        facts=facts(("Finished", f"{len(finished)} of {len(runs)}")),
        notices=list(_notices(runs)),
        sections=[results, Section(anchor="learning", title="Learning", views=[curves]), settings],
        command=command,
        citations=list(dict.fromkeys(text for run in finished for text in run.citations)),
    )


def _rows(run: ComparedRun, letter: str, link: str) -> Iterator[dict[str, Value]]:
    """Yield a row for each target of a run; of a run without results, a row that says so."""
    # A run that was interrupted is compared too: its curves show how far it had come.
    results = run.results
    parameters = results.number("parameters", "total") if results else None
    seconds = results.number("wall_seconds") if results else None
    seed, epochs = run.training("seed"), len(run.files.epochs)
    started = run.files.summary.get("started")
    shared = {
        "run": Value(letter, below=run.name, link=link),
        "encoder": Value(run.component("encoder")),
        "strategy": Value(run.component("strategy")),
        "parameters": _MISSING
        if parameters is None
        else Value(count(round(parameters)), order=parameters),
        "epochs": Value(count(epochs), order=epochs),
        "time": Value(duration(seconds), order=seconds),
        "seed": Value(str(seed) if isinstance(seed, int) else ABSENT, order=seed),
        "started": Value(moment(started)) if started else _MISSING,
        "state": Value("finished", tone="good") if results else Value("not finished", tone="bad"),
    }
    for target in (results.targets if results else {}).values():
        yield {**shared, **_target_values(target)}
    if results is None or not results.targets:
        yield {**dict.fromkeys((column.key for column in _COLUMNS), _MISSING), **shared}


def _target_values(target: TargetResult) -> dict[str, Value]:
    metric = headline_metric(target.info, target.metrics) or ""
    name, baseline, below = target.baseline, None, ""
    if name is not None:
        baseline = target.baselines[name].get(metric)
        below = describe_baseline(name).removeprefix("predicting ")
    return {
        "task": Value(words(target.label), below=target.dataset),
        "metric": Value(metric_info(metric).short, below=metric_unit(metric, target.unit)),
        "value": number_value(target.metrics.get(metric)),
        "baseline": Value(number(baseline), order=baseline, below=below),
        "skill": number_value(target.metrics.get("skill")),
        "crystals": Value(count(target.training_crystals), order=target.training_crystals),
    }


def _notices(runs: Sequence[ComparedRun]) -> Iterator[str]:
    """Yield a sentence for each label whose runs were tested on different crystals."""
    # Different splits make the usual mistake of comparisons, and are not seen in the numbers.
    splits: dict[str, set[str]] = {}
    for run in runs:
        for key, target in (run.results.targets if run.results else {}).items():
            splits.setdefault(key, set()).add(target.split)
    for key, hashes in splits.items():
        if len(hashes) > 1:
            yield (
                f"The runs on {words(key)} were made with {len(hashes)} different splits, so that "
                "they were tested on different crystals; their errors do not compare."
            )


def _curves(runs: Sequence[ComparedRun], letters: Mapping[Path, str]) -> list[Plot | Absent]:
    """Return a figure for each label: its validation metric in every run."""
    members: dict[tuple[str, str], list[ComparedRun]] = {}
    units: dict[str, str] = {}
    for run in runs:
        for key, target in (run.results.targets if run.results else {}).items():
            metric = headline_metric(target.info, target.metrics)
            if metric is not None and f"validation/{key}/{metric}" in run.files.history:
                members.setdefault((key, metric), []).append(run)
                units[key] = metric_unit(metric, target.unit)
    figures = []
    for (key, metric), compared in members.items():
        # The others are in the table; a legend of twenty lines would hide the curves.
        shown = compared[: len(_COLOURS)]
        epochs = max((run.files.epochs for run in shown), key=len)
        curves = []
        for run, colour in zip(shown, _COLOURS, strict=False):
            values = run.files.history[f"validation/{key}/{metric}"]
            # A run that ended earlier has no value in the epochs that it did not reach.
            padded = np.pad(values, (0, len(epochs) - len(values)), constant_values=np.nan)
            curves.append(Curve(letters[run.folder], padded, colour))
        rest = (
            f" (first {len(shown)} of {len(compared)} runs)" if len(compared) > len(shown) else ""
        )
        plot = CurvePlot(
            title=f"Validation {metric_info(metric).short}",
            subject=f"{words(key)}{rest}",
            unit=units[key],
            epochs=epochs,
            curves=curves,
        )
        figures.append(learning_curve(plot))
    # Plots stand side by side; sentences, which take a whole line, follow.
    figures.sort(key=lambda figure: isinstance(figure, Absent))
    return figures or [Absent("No run has recorded a metric of the validation set.")]


def _differences(runs: Sequence[ComparedRun], letters: Mapping[Path, str]) -> Sheet | None:
    """Return the settings that are not the same in all runs; None where there are none."""
    settings = {letters[run.folder]: run.settings() for run in runs}
    rows = []
    for name in dict.fromkeys(name for one in settings.values() for name in one):
        values = [one.get(name) for one in settings.values()]
        # Where a run was written makes no difference to it.
        if name != "output" and len(set(values)) > 1:
            texts = [_MISSING if value is None else Value(value.strip('"')) for value in values]
            rows.append({"setting": Value(name), **dict(zip(settings, texts, strict=True))})
    if not rows:
        return None
    columns = [Column(key="setting", title="Setting")]
    columns += [Column(key=letter, title=letter) for letter in settings]
    return Sheet(caption="Settings by run", columns=columns, rows=rows)
