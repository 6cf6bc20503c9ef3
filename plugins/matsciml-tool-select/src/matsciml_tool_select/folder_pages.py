"""The page of the selections in a folder, for tools that show folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matsciml_core.errors import DataError
from matsciml_core.guarded import read_json
from matsciml_tool_select.offers import ENDING
from matsciml_tool_select.record import FORMAT
from matsciml_util_pages import svg
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.numbers import counted, number
from matsciml_util_pages.pages import Page, Section
from matsciml_util_pages.plots import Figures, Plot, few_ticks, legend_above, plain_log
from matsciml_util_pages.sheets import Column, Sheet, Value
from matsciml_util_pages.views import Absent, Fact, Facts, View, facts

_LARGEST = 64 << 20
"""Bytes of a record; a selected structure has some hundred."""
_WAYS = {
    "both": "drawn in proportion to spread times distance",
    "spread": "largest spread first",
    "diversity": "largest distance first",
    "random": "drawn at random",
}


def selections(subject: PageSubject) -> Page:
    """Return a page of the selections in a folder, the newest first.

    Args:
        subject: A folder with the records of selections.

    Raises:
        DataError: A record is not what a selection writes.
    """
    files = sorted(subject.folder.glob(f"*{ENDING}"), key=_changed, reverse=True)
    found = {file.name.removesuffix(ENDING): _read(file) for file in files}
    whole = sum(len(record["rows"]) for record in found.values())
    newest = next(iter(found.values()), {})
    return Page(
        eyebrow="MatSciML selection",
        title=f"{counted(whole, 'structure')} to compute next",
        facts=facts(("Selections", str(len(found))), ("Model of the newest", newest.get("model"))),
        sections=[
            Section(
                anchor=f"selection-{place}",
                title=name,
                lead=str(record["compared"]),
                views=[*_views(record)],
            )
            for place, (name, record) in enumerate(found.items(), start=1)
        ],
        command=str(newest.get("command") or ""),
    )


def _changed(file: Path) -> tuple[int, str]:
    return file.stat().st_mtime_ns, file.name


def _read(file: Path) -> dict[str, Any]:
    """Return a record whose parts are of the right kind."""
    try:
        data = read_json(file, largest=_LARGEST)
        if data["format"] != FORMAT or data["version"] != 1:
            raise ValueError(f"it is {data['format']} {data['version']}")
        titles, rows = list(data["titles"]), [list(map(str, row)) for row in data["rows"]]
        if any(len(row) != len(titles) for row in rows):
            raise ValueError("a row is shorter or longer than the titles")
        points = {
            name: [_numbers(point) for point in data[name]] for name in ("selected", "others")
        }
        return {**data, "titles": titles, "rows": rows, **points}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"'{file.name}' is not what matsciml select writes ({type(error).__name__}: {error}); "
            "select again with --replace."
        ) from error


def _numbers(point: Mapping[str, Any]) -> tuple[float | None, float | None]:
    spread, distance = (point[name] for name in ("spread", "distance"))
    return None if spread is None else float(spread), None if distance is None else float(distance)


def _views(record: Mapping[str, Any]) -> Iterator[View]:
    by = str(record["by"])
    yield Facts(
        facts(
            ("Selected", f"{len(record['rows'])} of {record['asked']} asked for"),
            ("Way", _WAYS.get(by, by)),
            ("Candidates", f"{record['candidates']} read, {record['skipped']} unusable"),
            ("Near-twins left out", f"{record['twins_of_known']} of known structures, "
             f"{record['twins_of_selected']} of selected ones"),
            Fact("Structures", str(record["structures"]), code=True),
        )
    )  # fmt: skip
    yield Figures([_figure(record)])
    yield _sheet(record)


def _figure(record: Mapping[str, Any]) -> Plot | Absent:
    """Plot spread against distance, the selected candidates among the others."""
    groups = {
        name: [(spread, distance) for spread, distance in record[name] if spread and distance]
        for name in ("others", "selected")
    }
    if not groups["selected"]:
        return Absent(
            "Spread against distance needs a model that knows its spread, and structures to be "
            "far from."
        )
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for name, title, colour in (
            ("others", "not selected", svg.BASELINE),
            ("selected", "selected", svg.MODEL),
        ):
            if groups[name]:
                spreads, distances = zip(*groups[name], strict=True)
                axes.scatter(distances, spreads, s=14, color=colour, alpha=0.7, label=title)
        axes.set_yscale("log")
        plain_log(axes.yaxis)
        few_ticks(axes.xaxis, 6)
        axes.set_xlabel("Distance to what is known (1 is typical)")
        axes.set_ylabel(str(record["spread"]))
        legend_above(axes)
        words = (
            f"{counted(len(groups['selected']), 'selected candidate')} among "
            f"{counted(len(groups['others']), 'other')}: those at the upper right are least known. "
            f"The selected have spreads from {_range(groups['selected'], 0)} and distances from "
            f"{_range(groups['selected'], 1)}."
        )
        return Plot(
            "Spread and distance", svg.to_svg(figure, f"Spread against distance. {words}"), words
        )


def _range(points: Sequence[tuple[float, float]], place: int) -> str:
    values = [point[place] for point in points]
    return f"{number(min(values))} to {number(max(values))}"


def _sheet(record: Mapping[str, Any]) -> Sheet:
    titles = record["titles"]
    numeric = [_is_numeric(row[k] for row in record["rows"]) for k in range(len(titles))]
    columns = [
        Column(key="rank", title="Rank", numeric=True),
        *(
            Column(key=str(k), title=title, numeric=numeric[k])
            for k, title in enumerate(titles)
            if any(row[k] for row in record["rows"])
        ),
    ]
    rows = [
        {"rank": Value(str(rank), order=rank)}
        | {
            str(k): Value(text, order=float(text) if numeric[k] and text else None)
            for k, text in enumerate(row)
        }
        for rank, row in enumerate(record["rows"], start=1)
    ]
    return Sheet(caption="In the order in which they were selected", columns=columns, rows=rows)


def _is_numeric(texts: Iterator[str]) -> bool:
    try:
        return all(float(text) == float(text) for text in texts if text)
    except ValueError:
        return False
