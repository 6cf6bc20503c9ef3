"""The page of a table of runs, and the files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matsciml_tool_benchmark.entries import Entry, references
from matsciml_tool_benchmark.table import BenchmarkTable
from matsciml_util_pages.finished_runs import FinishedRun
from matsciml_util_pages.metrics import metric_info, predictor
from matsciml_util_pages.numbers import ABSENT, count, duration, number
from matsciml_util_pages.sheet_page import write_page_files
from matsciml_util_pages.sheets import (
    Column,
    Page,
    Section,
    Sheet,
    Value,
    number_value,
    spread_value,
)
from matsciml_util_pages.views import Fact, facts

SCHEMA = 1
"""Grows when a key of ``table.json`` changes its meaning or goes away."""
_DONE = ("finished", "partly finished")
_TONES = {"finished": "good", "failed": "bad", "interrupted": "bad"}


@dataclass(frozen=True, kw_only=True)
class TableRun:
    """A table, filled with one budget."""

    table: BenchmarkTable
    budget: str
    folder: Path
    command: str
    """The command that fills it, and goes on where it stopped."""


def write_table(run: TableRun, lines: Sequence[Entry]) -> Path:
    """Write ``table.html``, ``table.md``, ``table.csv`` and ``table.json``.

    Args:
        run: The table.
        lines: Its lines.

    Returns:
        Path of the page.
    """
    page = table_page(run, lines)
    records = [line.as_dict(run.folder) for line in lines]
    head = {
        "schema": SCHEMA,
        "table": run.table.name,
        "title": run.table.title,
        "source": run.table.source,
        "budget": run.budget,
        "command": run.command,
        "notes": dict(page.notes),
    }
    whole = [
        {**record, "baselines": line.baselines} for record, line in zip(records, lines, strict=True)
    ]
    return write_page_files(page, records, run.folder, "table", {**head, "lines": whole})


def table_page(run: TableRun, lines: Sequence[Entry]) -> Page:
    """Return the page of a table."""
    sheet = _sheet(lines, run.folder)
    return Page(
        eyebrow=f"MatSciML benchmark · {run.table.name} · budget {run.budget}",
        title=run.table.title,
        lead=run.table.about,
        facts=_facts(run, lines),
        notices=_notices(lines),
        sections=[Section(anchor="table", title="Results", sheet=sheet)],
        notes=_used_notes(run.table.notes, sheet),
        command=run.command,
        citations=citations_of(lines),
    )


def citations_of(lines: Iterable[Entry]) -> list[str]:
    """Return BibTeX of everything the runs used, each once."""
    return list(
        dict.fromkeys(text for line in lines for run in line.runs for text in run.citations)
    )


def _facts(run: TableRun, lines: Sequence[Entry]) -> list[Fact]:
    budget = run.table.budget(run.budget)
    experiments = {line.experiment: line.state for line in lines}
    done = sum(state in _DONE for state in experiments.values())
    runs = {str(one.folder): one for line in lines for one in line.runs}
    seconds = sum(one.number("wall_seconds") or 0.0 for one in runs.values())
    seeds = max((line.seeds for line in lines), default=1)
    return facts(
        ("Budget", f"{run.budget}: {budget.about}" if budget.about else run.budget),
        ("Experiments", f"{done} of {len(experiments)} finished"),
        ("Seeds", f"{seeds}; mean ± standard deviation" if seeds > 1 else "1, so no spread"),
        ("Machine", _machines(runs.values())),
        ("Time of all runs together", duration(seconds) if runs else None),
        ("Published numbers", run.table.source),
    )


def _machines(runs: Iterable[FinishedRun]) -> str:
    """Name what the runs were made on."""
    found = [run.summary.get("hardware") or {} for run in runs]
    names = [
        ", ".join(
            str(part)
            for part in (one.get("gpu") or one.get("cpu"), f"{one.get('cores')} cores")
            if part
        )
        for one in found
    ]
    return "; ".join(dict.fromkeys(names))


def _notices(lines: Sequence[Entry]) -> list[str]:
    failed = {line.experiment for line in lines if line.state == "failed"}
    if not failed:
        return []
    verb = "experiment has" if len(failed) == 1 else "experiments have"
    return [f"{len(failed)} {verb} failed; the same command tries again."]


def _sheet(lines: Sequence[Entry], folder: Path) -> Sheet:
    known = references(lines)
    compared = any(not line.row.reference for line in lines) and bool(known)
    columns = [
        Column(key="task", title="Task"),
        Column(key="label", title="Label", facet=True),
        Column(key="encoder", title="Encoder", facet=True),
        *([Column(key="strategy", title="Strategy", facet=True)] if _strategies(lines) else []),
        Column(key="metric", title="Metric", meaning="On the test set, in physical units"),
        Column(key="value", title="Here", numeric=True, strong=True),
        *(
            [Column(key="alone", title="Alone", numeric=True, meaning="Trained on this label only")]
            if compared
            else []
        ),
        Column(key="published", title="Published", numeric=True),
        Column(
            key="baseline", title="Baseline", numeric=True, meaning="What no model is needed for"
        ),
        Column(key="skill", title="Skill", numeric=True, meaning=metric_info("skill").meaning),
        Column(
            key="standardised",
            title="MSE/σ²",
            numeric=True,
            meaning="MSE in squared standard deviations of the training labels; 1 is a constant",
        ),
        Column(key="mae", title="MAE", numeric=True),
        Column(key="state", title="State", facet=True),
        Column(key="time", title="Time", numeric=True, meaning="Wall time of one run"),
        Column(key="parameters", title="Parameters", numeric=True),
    ]
    rows = [_row(line, known, folder) for line in lines]
    return Sheet(caption="Every label of every experiment", columns=columns, rows=rows)


def _strategies(lines: Sequence[Entry]) -> bool:
    return len({line.row.strategy for line in lines}) > 1


def _row(line: Entry, known: Mapping[Any, Entry], folder: Path) -> dict[str, Value]:
    alone = known.get((line.dataset, line.label, line.column))
    is_reference = line.row.reference
    return {
        "task": Value(line.row.title, below=line.experiment),
        "label": Value(line.label.replace("_", " ") or ABSENT),
        "encoder": Value(line.column),
        "strategy": Value(line.row.strategy or "alone"),
        "metric": Value(metric_info(line.metric).short, below=line.unit),
        "value": replace(spread_value(line.value), link=_report(line, folder)),
        "alone": Value("") if alone is None or is_reference else spread_value(alone.value),
        "published": _published(line),
        "baseline": _baseline(line),
        "skill": number_value(line.over_seeds("skill").mean),
        "standardised": number_value(line.standardised.mean),
        "mae": _with_unit(line),
        "parameters": _parameters(line),
        "time": _time(line),
        "state": Value(line.state, below=line.remark, tone=_TONES.get(line.state, "quiet")),
    }


def _published(line: Entry) -> Value:
    found = line.published
    if found is None:
        return Value(ABSENT, tone="quiet", notes=line.row.notes)
    text = f"{found.value:g}" if found.encoder else f"{found.value:g} (best)"
    return Value(text, order=found.value, below=found.unit, notes=line.notes)


def _baseline(line: Entry) -> Value:
    if line.baseline is None:
        return Value(ABSENT, tone="quiet")
    name, value = line.baseline
    return Value(number(value), order=value, below=predictor(name).removeprefix("predicting "))


def _with_unit(line: Entry) -> Value:
    value = line.over_seeds("mae").mean
    if value is None:
        return Value("")
    return Value(number(value), order=value, below=line.results[0].unit)


def _parameters(line: Entry) -> Value:
    value = line.cost("parameters", "total")
    return Value("") if value is None else Value(count(round(value)), order=value)


def _time(line: Entry) -> Value:
    value = line.cost("wall_seconds")
    return Value("") if value is None else Value(duration(value), order=value)


def _report(line: Entry, folder: Path) -> str:
    """Return the address of the first run's report, relative to the page; empty: there is none."""
    for run in line.runs:
        report = run.folder / "report.html"
        if report.is_file() and report.is_relative_to(folder.resolve()):
            return report.relative_to(folder.resolve()).as_posix()
    return ""


def _used_notes(notes: Mapping[str, str], sheet: Sheet) -> dict[str, str]:
    """Return the footnotes that the sheet names, in the table's order."""
    used = {name for row in sheet.rows for value in row.values() for name in value.notes}
    return {name: text for name, text in notes.items() if name in used}
