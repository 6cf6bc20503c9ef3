"""The page of a table of runs, and the files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matsciml_tool_benchmark.benchmark import Benchmark
from matsciml_tool_benchmark.entries import Entry, references
from matsciml_util_pages.metrics import describe_baseline, metric_info
from matsciml_util_pages.numbers import ABSENT, count, duration, number
from matsciml_util_pages.pages import Page, Section, write_page_files
from matsciml_util_pages.sheets import (
    Column,
    Sheet,
    Value,
    number_value,
    spread_value,
)
from matsciml_util_pages.views import Fact, facts

SCHEMA = 1
"""Grows when a key of ``table.json`` changes its meaning or goes away."""
_AVERAGES = "without_model"
"""The baseline of generated crystals that has a column of its own; the other is of real ones."""
_DONE = ("finished", "partly finished")
_TONES = {"finished": "good", "failed": "bad", "interrupted": "bad"}


def write_table(benchmark: Benchmark) -> Path:
    """Write ``table.html``, ``table.md``, ``table.csv`` and ``table.json`` of a table as it stands.

    Args:
        benchmark: The table.

    Returns:
        Path of the page.
    """
    folder = benchmark.folder.path
    entries = benchmark.entries()
    page = table_page(benchmark, entries)
    records = [entry.as_dict(folder) for entry in entries]
    data = {
        "schema": SCHEMA,
        "table": benchmark.table.name,
        "title": benchmark.table.title,
        "source": benchmark.table.source,
        "budget": benchmark.budget,
        "command": benchmark.command,
        "notes": dict(page.notes),
        # Nested values do not fit into CSV, whose records these are otherwise.
        "entries": [
            {**record, "baselines": entry.baselines}
            for record, entry in zip(records, entries, strict=True)
        ],
    }
    return write_page_files(page, records, folder, "table", data)


def table_page(benchmark: Benchmark, entries: Sequence[Entry]) -> Page:
    """Return the page of a table.

    Args:
        benchmark: The table.
        entries: Its entries.
    """
    table = benchmark.table
    sheet = _sheet(entries, benchmark.folder.path)
    named = {name for row in sheet.rows for value in row.values() for name in value.notes}
    failed = len({entry.experiment for entry in entries if entry.state == "failed"})
    noun = "experiment has" if failed == 1 else "experiments have"
    citations = (text for entry in entries for run in entry.runs for text in run.citations)
    return Page(
        eyebrow=f"MatSciML benchmark · {table.name} · budget {benchmark.budget}",
        title=table.title,
        lead=table.about,
        facts=_facts(benchmark, entries),
        notices=[f"{failed} {noun} failed; the same command tries again."] if failed else [],
        sections=[Section(anchor="table", title="Results", views=[sheet])],
        notes={name: text for name, text in table.notes.items() if name in named},
        command=benchmark.command,
        citations=list(dict.fromkeys(citations)),
    )


def _facts(benchmark: Benchmark, entries: Sequence[Entry]) -> list[Fact]:
    budget = benchmark.table.budget(benchmark.budget)
    states = {entry.experiment: entry.state for entry in entries}
    done = sum(state in _DONE for state in states.values())
    # Entries of one experiment share its runs.
    runs = {str(run.folder): run for entry in entries for run in entry.runs}
    seconds = sum(run.number("wall_seconds") or 0.0 for run in runs.values())
    seeds = max((entry.seeds for entry in entries), default=1)
    machines = []
    for run in runs.values():
        hardware = run.summary.get("hardware") or {}
        words = (hardware.get("gpu") or hardware.get("cpu"), f"{hardware.get('cores')} cores")
        machines.append(", ".join(str(word) for word in words if word))
    return facts(
        ("Budget", f"{benchmark.budget}: {budget.about}" if budget.about else benchmark.budget),
        ("Experiments", f"{done} of {len(states)} finished"),
        ("Seeds", f"{seeds}; mean ± standard deviation" if seeds > 1 else "1, so no spread"),
        ("Machine", "; ".join(dict.fromkeys(machines))),
        ("Time of all runs together", duration(seconds) if runs else None),
        ("Published numbers", benchmark.table.source),
    )


def _sheet(entries: Sequence[Entry], folder: Path) -> Sheet:
    compared = references(entries)
    # Columns that would hold nothing are left out: table 2 has neither references nor strategies.
    averages = Column(
        key="averages",
        title="Without a model",
        numeric=True,
        meaning="Crystals that are averages of the training set",
    )
    has_averages = any(_AVERAGES in entry.baselines for entry in entries)
    alone = Column(key="alone", title="Alone", numeric=True, meaning="Trained on this label only")
    has_alone = bool(compared) and any(not entry.row.reference for entry in entries)
    strategy = Column(key="strategy", title="Strategy", facet=True)
    has_strategy = len({entry.row.strategy for entry in entries}) > 1
    columns = [
        Column(key="task", title="Task"),
        # What a telephone shows before anything is pushed aside: the number and its baseline.
        Column(key="value", title="Here", numeric=True, strong=True),
        Column(
            key="baseline", title="Baseline", numeric=True, meaning="The metric without any model"
        ),
        *([averages] if has_averages else []),
        Column(key="metric", title="Metric", meaning="On the test set, in physical units"),
        *([alone] if has_alone else []),
        Column(key="published", title="Published", numeric=True),
        Column(key="label", title="Label", facet=True),
        Column(key="encoder", title="Encoder", facet=True),
        *([strategy] if has_strategy else []),
        # Before what is looked up: a narrow window shows which rows are waiting, and for what.
        Column(key="state", title="State", facet=True),
        Column(key="skill", title="Skill", numeric=True, meaning=metric_info("skill").meaning),
        Column(
            key="standardised",
            title="MSE/σ²",
            numeric=True,
            meaning="MSE in squared standard deviations of the training labels; 1 is a constant",
        ),
        Column(key="mae", title="MAE", numeric=True),
        Column(key="time", title="Time", numeric=True, meaning="Wall time of one run"),
        Column(key="parameters", title="Parameters", numeric=True),
    ]
    rows = [_row(entry, compared, folder) for entry in entries]
    return Sheet(caption="Every label of every experiment", columns=columns, rows=rows)


def _row(entry: Entry, compared: Mapping[Any, Entry], folder: Path) -> dict[str, Value]:
    alone = compared.get((entry.dataset, entry.label, entry.column))
    mae = entry.over_seeds("mae").mean
    parameters, seconds = entry.cost("parameters", "total"), entry.cost("wall_seconds")
    # Without a number the footnotes of the row still say why there is none.
    published = Value(ABSENT, tone="quiet", notes=entry.row.notes)
    if entry.published is not None:
        value, best = entry.published.value, "" if entry.published.encoder else " (best)"
        unit = entry.published.unit
        published = Value(f"{value:g}{best}", order=value, below=unit, notes=entry.notes)
    baseline = Value(ABSENT, tone="quiet")
    if entry.baseline is not None:
        name, score = entry.baseline
        what = describe_baseline(name).removeprefix("predicting ")
        baseline = Value(number(score), order=score, below=what)
    return {
        "task": Value(entry.row.title, below=entry.experiment),
        "label": Value(entry.label.replace("_", " ") or ABSENT),
        "encoder": Value(entry.column),
        "strategy": Value(entry.row.strategy or "alone"),
        "metric": Value(metric_info(entry.metric).short, below=entry.unit),
        "value": replace(
            spread_value(entry.value), link=_report(entry, folder), below=_metric_of(entry)
        ),
        "alone": Value("") if alone is None or entry.row.reference else spread_value(alone.value),
        "published": published,
        "baseline": baseline,
        "averages": number_value(entry.baselines.get(_AVERAGES)),
        "skill": number_value(entry.over_seeds("skill").mean),
        "standardised": number_value(entry.standardised.mean),
        "mae": _optional(mae, number(mae), entry.results[0].unit if entry.results else ""),
        "parameters": _optional(parameters, count(round(parameters or 0))),
        "time": _optional(seconds, duration(seconds)),
        "state": Value(entry.state, below=entry.remark, tone=_TONES.get(entry.state, "quiet")),
    }


def _metric_of(entry: Entry) -> str:
    """Return metric and unit of a number; empty where there is none."""
    if entry.value.mean is None:
        return ""
    return " ".join(filter(None, (metric_info(entry.metric).short, entry.unit)))


def _optional(value: float | None, text: str, below: str = "") -> Value:
    """Return a number as a value; nothing where there is none."""
    return Value("") if value is None else Value(text, order=value, below=below)


def _report(entry: Entry, folder: Path) -> str:
    """Return the address of the first run's report, relative to the page; empty: there is none."""
    # A page is moved with its folder: a link out of it would break.
    root = folder.resolve()
    for run in entry.runs:
        report = run.folder / "report.html"
        if report.is_file() and report.is_relative_to(root):
            return report.relative_to(root).as_posix()
    return ""
