"""The page of the MatBench records in a folder, for tools that show folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matsciml_core.errors import DataError
from matsciml_core.guarded import read_json
from matsciml_tool_matbench.offers import ENDING
from matsciml_tool_matbench.record import SUMMARY_FORMAT
from matsciml_util_pages import svg
from matsciml_util_pages.finished_runs import Spread
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.numbers import counted, number, with_unit
from matsciml_util_pages.pages import Page, Section
from matsciml_util_pages.plots import Figures, Plot, few_ticks
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value, spread_value
from matsciml_util_pages.views import View, facts

_NAMES = {"mae": "MAE", "rmse": "RMSE", "mape": "MAPE", "rocauc": "ROC-AUC", "f1": "F1"}
"""Metrics whose names are no words."""


def records(subject: PageSubject) -> Page:
    """Return a page of the records in a folder, the newest first.

    Args:
        subject: A folder with summaries of records.

    Raises:
        DataError: A summary is not what ``matsciml matbench record`` writes.
    """
    files = sorted(subject.folder.glob(f"*{ENDING}"), key=_changed, reverse=True)
    found = {file.name.removesuffix(ENDING): _read(file) for file in files}
    sections = [
        Section(
            anchor=f"task-{place}-{index}",
            title=f"{task['name']} ({name}: {record['algorithm']})",
            lead=f"Mean ± standard deviation (n − 1) over {counted(len(task['folds']), 'fold')}, "
            "of crystals that the run of each has not seen; published errors are means over the "
            "same folds.",
            views=[*_views(task, str(record["algorithm"]))],
        )
        for place, (name, record) in enumerate(found.items())
        for index, task in enumerate(record["tasks"])
    ]
    newest = next(iter(found.values()), {})
    return Page(
        eyebrow="MatSciML on MatBench v0.1",
        title=counted(len(sections), "task"),
        facts=facts(("Records", ", ".join(f"{name}.json" for name in found))),
        sections=sections,
        command=str(newest.get("command") or ""),
    )


def _changed(file: Path) -> tuple[int, str]:
    return file.stat().st_mtime_ns, file.name


def _read(file: Path) -> dict[str, Any]:
    """Return a summary whose numbers are numbers."""
    try:
        data = read_json(file)
        if data["format"] != SUMMARY_FORMAT or data["version"] != 1:
            raise ValueError(f"it is {data['format']} {data['version']}")
        tasks: list[dict[str, Any]] = [
            {
                "name": str(task["name"]),
                "metric": str(task["metric"]),
                "unit": str(task["unit"]),
                "larger_is_better": bool(task["larger_is_better"]),
                "folds": [{str(k): float(v) for k, v in one.items()} for one in task["folds"]],
                "published": {str(k): float(v) for k, v in task["published"].items()},
            }
            for task in data["tasks"]
        ]
        if any(task["metric"] not in one for task in tasks for one in task["folds"]):
            raise ValueError("a fold lacks the metric of its task")
        return {**data, "algorithm": str(data["algorithm"]), "tasks": tasks}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"'{file.name}' is not what matsciml matbench record writes ({type(error).__name__}: "
            f"{error}); write the record again with --replace."
        ) from error


def _views(task: Mapping[str, Any], algorithm: str) -> Iterator[View]:
    metric, unit = _NAMES.get(task["metric"], task["metric"]), task["unit"]
    ours = Spread([one[task["metric"]] for one in task["folds"]])
    rows: list[tuple[str, Spread]] = [(algorithm, ours)]
    rows += [(model, Spread([value])) for model, value in task["published"].items()]
    rows.sort(key=lambda row: row[1].mean or 0.0, reverse=task["larger_is_better"])
    yield Figures([_figure(task, rows, algorithm, with_unit(metric, unit))])
    yield Sheet(
        caption="Among published models",
        columns=[
            Column(key="model", title="Model"),
            Column(key="value", title=metric, unit=unit, numeric=True, strong=True),
            Column(key="origin", title="From"),
        ],
        rows=[
            {
                "model": Value(model),
                "value": spread_value(spread),
                "origin": Value("this record" if spread is ours else "leaderboard", tone="quiet"),
            }
            for model, spread in rows
        ],
    )
    names = list(dict.fromkeys(name for one in task["folds"] for name in one))
    yield Sheet(
        caption="Every fold",
        columns=[
            Column(key="fold", title="Fold"),
            *(
                Column(
                    key=name,
                    title=_NAMES.get(name, name.replace("_", " ").capitalize()),
                    unit=unit if name in ("mae", "rmse", "max_error") else "",
                    numeric=True,
                )
                for name in names
            ),
        ],
        rows=[
            {"fold": Value(str(k), order=k)} | {name: number_value(one.get(name)) for name in names}
            for k, one in enumerate(task["folds"], start=1)
        ],
    )


def _figure(
    task: Mapping[str, Any], rows: list[tuple[str, Spread]], algorithm: str, title: str
) -> Plot:
    """Plot the error of every model, the best one on top, and those of each fold."""
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        places = range(len(rows), 0, -1)
        for place, (model, spread) in zip(places, rows, strict=True):
            mine = len(spread.values) > 1 or model == algorithm
            colour = svg.MODEL if mine else svg.BASELINE
            if mine:
                axes.scatter(spread.values, [place] * len(spread.values), s=12, color=colour,
                             alpha=0.5)  # fmt: skip
            axes.scatter([spread.mean or 0.0], [place], s=40, color=colour)
        axes.set_yticks([*places], [model[:24] for model, _ in rows])
        axes.set_xlim(left=0.0 if not task["larger_is_better"] else None)
        few_ticks(axes.xaxis, 5)
        axes.set_xlabel(title)
        words = "; ".join(f"{model} {number(spread.mean)}" for model, spread in rows)
        sentence = f"The best model is on top: {words}. Small points are the folds."
        return Plot(title, svg.to_svg(figure, f"{title} of {task['name']}. {sentence}"), sentence)
