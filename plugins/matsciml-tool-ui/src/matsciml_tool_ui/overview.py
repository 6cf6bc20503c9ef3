"""The first page: every run of a folder with how far it has come, those that train first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from matsciml_core.errors import visible
from matsciml_tool_ui.index import Index, page_address
from matsciml_tool_ui.progress import Progress, State
from matsciml_util_pages.finished_runs import TargetResult, metric_unit
from matsciml_util_pages.metrics import headline_metric, metric_info
from matsciml_util_pages.numbers import ABSENT, count, counted, duration, moment, quantity, words
from matsciml_util_pages.pages import Page, Section
from matsciml_util_pages.run_json import nested
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value
from matsciml_util_pages.views import Absent, Table, View, facts

_MOST = 400
"""Runs of the table, the newest; a browser shows more slowly."""
_STATES: tuple[State, ...] = ("training", "finished", "silent", "unreadable")
_TONES: dict[State, str] = {"finished": "good", "unreadable": "bad", "silent": "quiet"}
_COLUMNS = (
    Column(key="run", title="Run"),
    Column(
        key="state", title="State", facet=True,
        meaning="Silent: nothing was written for 15 minutes and three epochs; interrupted, perhaps",
    ),
    Column(key="epochs", title="Epochs", numeric=True),
    Column(key="train", title="Training loss", numeric=True, meaning="Of the last epoch"),
    Column(key="validation", title="Validation loss", numeric=True, meaning="Of the last epoch"),
    Column(key="test", title="Test set", numeric=True, strong=True),
    Column(key="time", title="Time", numeric=True),
    Column(key="part", title="Part of", facet=True),
    Column(key="changed", title="Last change"),
)  # fmt: skip


@dataclass(frozen=True)
class RunLine:
    """A run, as the page shows it."""

    name: str
    """Path of its folder."""
    progress: Progress
    changed: float
    """When it wrote last, s since 1970."""
    state: State


def overview(index: Index, read: Callable[[str], Progress], now: float) -> Page:
    """Return the page.

    Args:
        index: The tree of folders.
        read: Returns how far a run has come.
        now: The time, s since 1970.
    """
    lines = []
    for name in index.runs[:_MOST]:
        progress, changed = read(name), index.changed(name)
        lines.append(RunLine(name, progress, changed, progress.state(now - changed)))
    states = [line.state for line in lines]
    listed = [f"{states.count(state)} {state}" for state in _STATES if state in states]
    training = [line for line in lines if line.state == "training"]
    sections = [_runs(index, lines)]
    if index.groups:
        sections.insert(0, _groups(index))
    if training:
        sections.insert(0, _training(training))
    notices = []
    if len(index.runs) > _MOST:
        notices.append(f"The newest {_MOST} of {len(index.runs):,} runs are shown.")
    skipped = sum(len(folder.strange) for folder in index.folders.values())
    if skipped:
        notices.append(f"{counted(skipped, 'link')} in the folder led elsewhere; none is followed.")
    return Page(
        eyebrow="MatSciML runs",
        title=visible(index.root.name or str(index.root)),
        lead="This page follows the folder: what runs write appears by itself.",
        facts=facts(("Runs", ", ".join(listed)), ("Folder", visible(str(index.root)))),
        notices=notices,
        sections=sections,
    )


def _training(lines: Sequence[RunLine]) -> Section:
    rows = [
        (
            visible(line.name) or ".",
            _epochs(line.progress).text,
            number_value(line.progress.last("train/loss")).text,
            number_value(line.progress.last("validation/loss")).text,
            duration(line.progress.seconds_left),
        )
        for line in lines
    ]
    table = Table(
        caption="Runs that are training, and how much is done",
        columns=("Run", "Epochs", "Training loss", "Validation loss", "Time left"),
        rows=rows,
        bars=[line.progress.share for line in lines],
        note="Time left is that of the epochs still to come, if they take as long as those before; "
        "testing comes on top, and a run may stop early.",
    )
    return Section(anchor="training", title="Training now", views=[table])


def _groups(index: Index) -> Section:
    columns = [
        Column(key="folder", title="Folder"),
        Column(key="kind", title="Kind", facet=True),
        Column(key="runs", title="Runs", numeric=True),
        Column(key="changed", title="Last change"),
    ]
    rows = [
        {
            "folder": Value(visible(name) or ".", link=page_address(spec.name, name)),
            "kind": Value(spec.title),
            "runs": _number(sum(index.group_of(run) == name for run in index.runs)),
            "changed": _moment(index.changed(name)),
        }
        for name in index.groups
        for spec in index.pages(name)
    ]
    sheet = Sheet(caption="Sweeps, cross-validations and the like", columns=columns, rows=rows)
    return Section(anchor="groups", title="Many runs together", views=[sheet])


def _runs(index: Index, lines: Sequence[RunLine]) -> Section:
    view: View = Absent("There is no run yet; the first will appear here as soon as it trains.")
    if lines:
        rows = [_row(index, line) for line in lines]
        view = Sheet(caption="Every run, the newest first", columns=_COLUMNS, rows=rows)
    return Section(anchor="runs", title="Runs", views=[view])


def _row(index: Index, line: RunLine) -> Mapping[str, Value]:
    progress = line.progress
    made_of = " on ".join(filter(None, map(progress.names, ("encoder", "datasets"))))
    pages, group = index.pages(line.name), index.group_of(line.name)
    seconds = progress.last("seconds")
    return {
        "run": Value(
            visible(line.name) or ".",
            below=made_of,
            link=page_address(pages[0].name, line.name) if pages else "",
        ),
        "state": Value(line.state, below=progress.problem, tone=_TONES.get(line.state, "")),
        "epochs": _epochs(progress),
        "train": number_value(progress.last("train/loss")),
        "validation": number_value(progress.last("validation/loss")),
        "test": _tested(progress),
        "time": Value(duration(seconds), order=seconds),
        "part": Value("" if group is None else visible(group) or "."),
        "changed": _moment(line.changed),
    }


def _epochs(progress: Progress) -> Value:
    planned = progress.planned
    text = count(progress.epochs)
    # A run that was stopped early, or resumed, says more by what it did.
    if planned is not None and planned > progress.epochs and not progress.summary:
        text = f"{text} of {count(planned)}"
    return Value(text, order=progress.epochs)


def _tested(progress: Progress) -> Value:
    """Return what a finished run measured on the test set, of its first label."""
    for key in nested(progress.summary, "metrics", "test"):
        target = TargetResult.from_summary(progress.summary, key)
        name = headline_metric(target.info, target.metrics)
        if name is not None:
            value = target.metrics.get(name)
            text = quantity(value, metric_unit(name, target.unit))
            below = f"{metric_info(name).short} of {words(target.label)}"
            return Value(text, order=value, below=below)
    return Value(ABSENT, tone="quiet")


def _number(value: int) -> Value:
    return Value(count(value), order=value)


def _moment(time: float) -> Value:
    try:
        local = datetime.fromtimestamp(time, UTC).astimezone()
    except (ValueError, OverflowError, OSError):  # archives keep any time, such as the year 10000
        return Value(ABSENT, order=time)
    return Value(moment(local.isoformat()), order=time)
