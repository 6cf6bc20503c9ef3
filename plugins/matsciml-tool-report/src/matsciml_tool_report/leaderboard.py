"""A static site from many runs: who predicts what best, and every run's report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_tool_report.run_folders import KnownRun
from matsciml_util_pages.finished_runs import SeedResults, TargetResult
from matsciml_util_pages.metrics import headline_metric, metric_info, predictor
from matsciml_util_pages.numbers import count, counted, duration, moment, number, words
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
from matsciml_util_pages.views import facts

SCHEMA = 1
"""Grows when a key of ``index.json`` changes its meaning or goes away."""
REPORTS = "runs"
_KEPT = ("report.html", "run.json", "config.yaml")
"""Files of a run that the site shows."""


@dataclass(frozen=True, kw_only=True)
class Entry(SeedResults):
    """One recipe on one label."""

    key: str
    """``"<dataset>/<label>"``."""
    split: str
    """SHA-256 of the split."""
    known: Sequence[KnownRun]
    """The runs, with their names and settings."""


def write_site(runs: Sequence[KnownRun], folder: Path, command: str = "") -> Path:
    """Write a site: ``index.html``, its numbers as CSV, JSON and Markdown, and the runs' reports.

    Args:
        runs: The runs; those that are not finished are left out.
        folder: Where to; made where it is missing.
        command: The command that made it, for people.

    Returns:
        Path of the first page.

    Raises:
        ConfigError: No run is finished.
    """
    finished = [run for run in runs if run.results is not None and run.results.targets]
    if not finished:
        raise ConfigError("None of these runs is finished, so there is nothing to rank.")
    addresses = {run.folder: address for run, address in _copy(finished, folder)}
    groups = ranking(finished)
    page = _page(groups, addresses, len(runs), len(finished), command)
    records = [_record(entry, place, addresses) for place, entry in _places(groups)]
    return write_page_files(page, records, folder, "index", {"schema": SCHEMA, "entries": records})


def ranking(runs: Sequence[KnownRun]) -> list[list[Entry]]:
    """Group runs by label and split, the only ones that compare, the best of a group first."""
    members: dict[tuple[str, str, str], list[tuple[KnownRun, TargetResult]]] = {}
    for run in runs:
        for key, result in (run.results.targets if run.results else {}).items():
            members.setdefault((key, result.split, run.recipe), []).append((run, result))
    groups: dict[tuple[str, str], list[Entry]] = {}
    for (key, split, _), pairs in members.items():
        first = pairs[0][1]
        entry = Entry(
            key=key,
            split=split,
            metric=headline_metric(first.info, first.metrics) or "",
            known=[run for run, _ in pairs],
            runs=[run.results for run, _ in pairs if run.results],
            results=[result for _, result in pairs],
        )
        groups.setdefault((key, split), []).append(entry)
    return [sorted(group, key=_goodness) for _, group in sorted(groups.items())]


def _goodness(entry: Entry) -> float:
    mean = entry.value.mean
    if mean is None:
        return float("inf")
    return -mean if metric_info(entry.metric).larger_is_better else mean


def _copy(runs: Sequence[KnownRun], folder: Path) -> Iterator[tuple[KnownRun, str]]:
    """Copy what the site shows of each run, and yield its address within the site."""
    taken: set[str] = set()
    for run in runs:
        name, place = run.name, 1
        while name in taken:
            place += 1
            name = f"{run.name}-{place}"
        taken.add(name)
        target = folder / REPORTS / name
        target.mkdir(parents=True, exist_ok=True)
        for kept in _KEPT:
            if (run.folder / kept).is_file():
                shutil.copyfile(run.folder / kept, target / kept)
        report = f"{REPORTS}/{name}/{_KEPT[0]}"
        yield run, report if (folder / report).is_file() else ""


def _places(groups: Sequence[Sequence[Entry]]) -> Iterator[tuple[int, Entry]]:
    for group in groups:
        yield from enumerate(group, start=1)


def _page(
    groups: Sequence[Sequence[Entry]],
    addresses: Mapping[Path, str],
    found: int,
    finished: int,
    command: str,
) -> Page:
    texts = [
        text for group in groups for entry in group for run in entry.runs for text in run.citations
    ]
    return Page(
        eyebrow="MatSciML leaderboard",
        title=f"{counted(len(groups), 'ranking')} of {counted(finished, 'run')}",
        lead="Numbers compare within one ranking: the same label of the same crystals, in physical "
        "units.",
        facts=facts(
            ("Runs", f"{finished} finished, {found - finished} left out"),
        ),
        sections=[_section(place, group, addresses) for place, group in enumerate(groups)],
        command=command,
        citations=list(dict.fromkeys(texts)),
    )


def _section(place: int, group: Sequence[Entry], addresses: Mapping[Path, str]) -> Section:
    first = group[0]
    dataset, _, label = first.key.partition("/")
    rows = [_row(entry, rank, addresses) for rank, entry in enumerate(group, start=1)]
    baseline = _baseline_row(first)
    return Section(
        anchor=f"ranking-{place}",
        title=f"{words(label)[:1].upper()}{words(label)[1:]}, {dataset}",
        lead=f"Split {first.split[:12]}." if first.split else "",
        sheet=Sheet(
            caption=f"{words(label)} of {dataset}",
            columns=_columns(first),
            rows=[*rows, baseline] if baseline else rows,
        ),
    )


def _columns(first: Entry) -> list[Column]:
    return [
        Column(key="model", title="Encoder"),
        Column(key="place", title="Place", numeric=True),
        Column(key="strategy", title="Strategy", facet=True),
        Column(
            key="value",
            title=metric_info(first.metric).short,
            unit=first.unit,
            numeric=True,
            strong=True,
        ),
        Column(key="skill", title="Skill", numeric=True, meaning=metric_info("skill").meaning),
        Column(key="crystals", title="Trained on", numeric=True, meaning="Crystals"),
        Column(key="parameters", title="Parameters", numeric=True),
        Column(key="time", title="Time", numeric=True, meaning="Wall time of one run"),
        Column(key="seeds", title="Seeds", numeric=True),
        Column(key="started", title="Date"),
    ]


def _row(entry: Entry, rank: int, addresses: Mapping[Path, str]) -> dict[str, Value]:
    run, result = entry.known[0], entry.results[0]
    parameters, seconds = entry.cost("parameters", "total"), entry.cost("wall_seconds")
    others = [
        words(key) for key in (run.results.targets if run.results else {}) if key != entry.key
    ]
    return {
        "model": Value(
            run.component("encoder"),
            below=f"with {', '.join(others)}" if others else run.name,
            link=addresses[run.folder],
        ),
        "place": Value(str(rank), order=rank),
        "strategy": Value(run.component("strategy")),
        "value": spread_value(entry.value),
        "skill": number_value(entry.over_seeds("skill").mean),
        "crystals": Value(count(result.training_crystals), order=result.training_crystals),
        "parameters": Value(count(round(parameters)), order=parameters)
        if parameters is not None
        else Value(),
        "time": Value(duration(seconds), order=seconds),
        "seeds": Value(str(len(entry.runs)), order=len(entry.runs)),
        "started": Value(moment(run.files.summary.get("started", ""))),
    }


def _baseline_row(entry: Entry) -> dict[str, Value] | None:
    """Return the line of the baseline, which is no entry."""
    if entry.baseline is None:
        return None
    name, value = entry.baseline
    empty = ("place", "strategy", "skill", "crystals", "parameters", "time", "seeds", "started")
    return {
        **dict.fromkeys(empty, Value()),
        "model": Value(predictor(name), below="no model"),
        "value": Value(number(value), order=value, tone="quiet"),
    }


def _record(entry: Entry, rank: int, addresses: Mapping[Path, str]) -> dict[str, Any]:
    run = entry.known[0]
    dataset, _, label = entry.key.partition("/")
    return {
        "dataset": dataset,
        "label": label,
        "split": entry.split,
        "place": rank,
        "encoder": run.component("encoder"),
        "strategy": run.component("strategy"),
        "metric": entry.metric,
        "unit": entry.unit,
        "mean": entry.value.mean,
        "std": entry.value.deviation,
        "seeds": len(entry.runs),
        "skill": entry.over_seeds("skill").mean,
        "baseline": entry.baseline[1] if entry.baseline else None,
        "parameters": entry.cost("parameters", "total"),
        "wall_seconds": entry.cost("wall_seconds"),
        "report": addresses[run.folder],
    }
