"""The report of a cross-validation, as one page."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matsciml_core.training.run_folder import command_line
from matsciml_tool_folds.results import FoldResults
from matsciml_util_pages import svg
from matsciml_util_pages.metrics import describe_baseline, metric_info
from matsciml_util_pages.numbers import ABSENT, count, counted, duration, number, with_unit, words
from matsciml_util_pages.pages import Page, Section, write_page
from matsciml_util_pages.parity import beyond_axes, draw_parity
from matsciml_util_pages.plots import Figures, Plot, few_ticks, legend_above
from matsciml_util_pages.run_files import read_run
from matsciml_util_pages.run_json import nested
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value, spread_value
from matsciml_util_pages.views import Absent, facts

_NUMBERS = ("scalar", "energy")
"""Kinds of labels of which predictions are plotted against labels."""


def write_report(found: FoldResults, path: Path) -> Path:
    """Write the report of a cross-validation.

    Args:
        found: At least one finished run.
        path: The file.

    Returns:
        The file.
    """
    folder = found.place.path.resolve()

    def report_of(run: Path) -> str:
        report = run / "report.html"
        return Path(os.path.relpath(report, folder)).as_posix() if report.is_file() else ""

    return write_page(report_page(found, report_of, command_line()), path)


def report_page(found: FoldResults, address: Callable[[Path], str], command: str = "") -> Page:
    """Return the report of a cross-validation.

    Args:
        found: At least one finished run.
        address: Returns the address of the report of a run folder; empty where it has none.
        command: What made it, for people.
    """
    done, whole = len(found.runs), found.number
    notices = []
    if done < whole:
        notices.append(
            f"{counted(whole - done, 'fold')} of {whole} {'has' if whole - done == 1 else 'have'} "
            "not finished; the same command goes on."
        )
    folds = found.folds
    results = Section(
        anchor="results",
        title="Results",
        lead="Mean ± standard deviation (n − 1) over the folds, of the errors on crystals that the "
        "run of each fold has not seen. Folds share most of their training crystals: the deviation "
        "says how much they differ, and is no error of the mean.",
        views=[_results(found)],
    )
    figures = [plot for key in found.keys for plot in _figures(found, key)]
    figures.sort(key=lambda plot: isinstance(plot, Absent))
    return Page(
        eyebrow="MatSciML cross-validation",
        title=f"{_title(found)}, {counted(whole, 'fold')}",
        facts=facts(
            ("Folds", folds["algorithm"]),
            ("Finished", f"{done} of {whole}"),
            ("Seed of the folds", folds["seed"]),
            ("Validation", f"{100 * folds['validation']:g} % of the crystals outside a fold"),
            (
                "Time",
                duration(sum(run.number("wall_seconds") or 0.0 for run in found.runs.values())),
            ),
        ),
        notices=notices,
        sections=[
            results,
            Section(anchor="predictions", title="Out of fold", views=[Figures(figures)]),
            Section(anchor="folds", title="Folds", views=[_folds(found, address)]),
        ],
        command=command,
        citations=list(dict.fromkeys(c for run in found.runs.values() for c in run.citations)),
    )


def _title(found: FoldResults) -> str:
    """Return encoder, dataset and labels, for example ``megnet on mp: band gap``."""
    config = read_run(next(iter(found.runs.values())).folder).config
    labels = [key.partition("/")[2] for key in found.keys]
    encoder = nested(config, "encoder").get("name", "")
    return f"{encoder} on {found.keys[0].partition('/')[0]}: {', '.join(map(words, labels))}"


def _results(found: FoldResults) -> Sheet:
    baselines = list(dict.fromkeys(name for key in found.keys for name in found.baselines(key)))
    columns = [
        Column(key="label", title="Label", facet=True),
        Column(key="metric", title="Metric"),
        Column(key="model", title="Model", numeric=True, strong=True),
        *(
            Column(key=f"baseline {name}", title=words(name), numeric=True,
                   meaning=describe_baseline(name, capital=True))
            for name in baselines
        ),
    ]  # fmt: skip
    rows = []
    for key in found.keys:
        for metric in found.metrics(key):
            row = {
                "label": Value(words(key.partition("/")[2])),
                "metric": Value(metric_info(metric).short, below=found.unit(key, metric)),
                "model": spread_value(found.spread(key, metric)),
            }
            for name in baselines:
                has = name in found.baselines(key)
                spread = found.spread(key, metric, name) if has else None
                row[f"baseline {name}"] = Value(ABSENT) if spread is None else spread_value(spread)
            rows.append(row)
    return Sheet(caption="Every metric of every label", columns=columns, rows=rows)


def _folds(found: FoldResults, address: Callable[[Path], str]) -> Sheet:
    columns = [
        Column(key="fold", title="Fold"),
        Column(key="label", title="Label", facet=True),
        Column(key="metric", title="Metric"),
        Column(key="value", title="Model", numeric=True, strong=True),
        Column(key="baseline", title="Baseline", numeric=True),
        Column(key="skill", title="Skill", numeric=True, meaning=metric_info("skill").meaning),
        Column(key="train", title="Training", numeric=True, meaning="Crystals"),
        Column(key="validation", title="Validation", numeric=True, meaning="Crystals"),
        Column(key="test", title="Test", numeric=True, meaning="Crystals"),
        Column(key="epochs", title="Epochs", numeric=True),
        Column(key="time", title="Time", numeric=True),
    ]
    rows = [
        _fold_row(found, fold, key, address(run.folder))
        for fold, run in found.runs.items()
        for key in run.targets
    ]
    return Sheet(caption="Every label of every fold", columns=columns, rows=rows)


def _fold_row(found: FoldResults, fold: int, key: str, link: str) -> dict[str, Value]:
    run = found.runs[fold]
    target = run.targets[key]
    metric, baseline = found.headline(key)
    reference = None if baseline is None else target.baselines[baseline].get(metric)
    sizes = nested(run.summary, "datasets", target.dataset, "split", "sizes")
    seconds, epochs = run.number("wall_seconds"), run.number("epochs")
    return {
        "fold": Value(str(fold + 1), order=fold, link=link),
        "label": Value(words(target.label)),
        "metric": Value(metric_info(metric).short, below=found.unit(key, metric)),
        "value": number_value(target.metrics.get(metric)),
        "baseline": Value(number(reference), order=reference, below=words(baseline or "")),
        "skill": number_value(target.metrics.get("skill")),
        **{
            name: Value(count(sizes.get(name)), order=sizes.get(name))
            for name in ("train", "validation", "test")
        },
        "epochs": Value(number(epochs) if epochs is None else count(round(epochs)), order=epochs),
        "time": Value(duration(seconds), order=seconds),
    }


def _figures(found: FoldResults, key: str) -> Iterator[Plot | Absent]:
    yield _by_fold(found, key)
    runs = [read_run(run.folder).predictions.get(key) for run in found.runs.values()]
    values = [one for one in runs if one is not None and len(one.labels)]
    info = next(iter(found.runs.values())).targets[key].info
    if info.kind not in _NUMBERS or info.per_atom:
        return
    if not values:
        yield Absent(f"No fold has predictions of {words(info.name)} that are finite numbers.")
        return
    labels = np.concatenate([one.labels for one in values])
    predictions = np.concatenate([one.predictions for one in values])
    yield _parity(labels, predictions, words(info.name), info.unit)


def _by_fold(found: FoldResults, key: str) -> Plot:
    """Plot the headline metric of each fold, the model's beside the best baseline's."""
    metric, baseline = found.headline(key)
    info, name = metric_info(metric), words(key.partition("/")[2])
    series: Mapping[str, tuple[str | None, str]] = {
        "model": (None, svg.MODEL),
        **({} if baseline is None else {words(baseline): (baseline, svg.BASELINE)}),
    }
    folds = [fold + 1 for fold in found.runs]
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        said = []
        for title, (chosen, colour) in series.items():
            spread = found.spread(key, metric, chosen)
            if len(spread.values) != len(folds) or spread.mean is None:
                continue
            axes.scatter(folds, spread.values, color=colour, s=30, label=title)
            axes.axhline(spread.mean, color=colour, linewidth=1.0)
            said.append(f"{title} {spread_value(spread).text}")
        few_ticks(axes.xaxis, 10, whole=True)
        few_ticks(axes.yaxis, 6)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.set_xlabel("Fold")
        axes.set_ylabel(with_unit(info.short, found.unit(key, metric)))
        legend_above(axes)
        sentence = f"{info.title} of {name} in each fold: {'; '.join(said)}."
        markup = svg.to_svg(figure, sentence)
    return Plot(f"{info.short} of {name}", markup, f"{sentence} Lines are the means.")


def _parity(
    labels: NDArray[np.float64], predictions: NDArray[np.float64], name: str, unit: str
) -> Plot:
    """Plot the predictions of all folds against the labels."""
    with svg.plot_settings():
        figure, hidden = draw_parity(labels, predictions, noun="crystal", unit=unit)
        sentence = (
            f"{counted(len(labels), 'crystal')}, each predicted by the run that has not seen it; a "
            "perfect model puts all of them on the dashed line."
        )
        markup = svg.to_svg(figure, f"Predicted against labelled {name}. {sentence}")
    caption = f"{sentence}{beyond_axes(hidden, 'crystal')}"
    return Plot(f"Predictions of {name}", markup, caption)
