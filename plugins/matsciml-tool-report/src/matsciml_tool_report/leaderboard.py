"""A static site from many runs: who predicts what best, and every run's report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from matsciml_core.errors import ConfigError
from matsciml_core.files import write_json, write_whole
from matsciml_core.training.run_folder import CONFIG, SUMMARY
from matsciml_tool_report.report import REPORT, report_page
from matsciml_tool_report.run_folders import ComparedRun
from matsciml_util_pages.finished_runs import SeedResults, TargetResult
from matsciml_util_pages.metrics import describe_baseline, headline_metric, metric_info
from matsciml_util_pages.numbers import count, counted, duration, moment, number, words
from matsciml_util_pages.pages import Page, Section, write_page, write_page_files
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value, spread_value
from matsciml_util_pages.views import facts

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

SCHEMA = 1
"""Grows when a key of ``index.json`` changes its meaning or goes away."""
REPORTS = "runs"


@dataclass(frozen=True, kw_only=True)
class RankedRuns(SeedResults):
    """One recipe on one label, over its seeds."""

    key: str
    """``"<dataset>/<label>"``."""
    split: str
    """SHA-256 of the split."""
    seeds: Sequence[ComparedRun]
    """The runs, with their names and settings."""
    repeats: int
    """Further runs of the same seeds, which are left out: they are no further evidence."""

    @property
    def seen(self) -> bool:
        """Whether weights that a run started from have seen most of the dataset's crystals."""
        dataset = self.key.partition("/")[0]
        return any(dataset in run.seen_before for run in self.seeds)

    @property
    def badness(self) -> float:
        """A number by which the best comes first; runs without the metric come last."""
        mean = self.value.mean
        if mean is None:
            return float("inf")
        return -mean if metric_info(self.metric).larger_is_better else mean

    def as_dict(self, rank: int, report: str) -> dict[str, Any]:
        """Return the entry as plain data, for CSV and JSON.

        Args:
            rank: Its place, from 1.
            report: Address of its report within the site.
        """
        run = self.seeds[0]
        dataset, _, label = self.key.partition("/")
        return {
            "dataset": dataset,
            "label": label,
            "split": self.split,
            "place": rank,
            "encoder": run.component("encoder"),
            "strategy": run.component("strategy"),
            "metric": self.metric,
            "unit": self.unit,
            "mean": self.value.mean,
            "std": self.value.deviation,
            "seeds": len(self.runs),
            "skill": self.over_seeds("skill").mean,
            "baseline": self.baseline[1] if self.baseline else None,
            "seen_before": self.seen,
            "parameters": self.cost("parameters", "total"),
            "wall_seconds": self.cost("wall_seconds"),
            "report": report,
        }


def write_site(
    runs: Sequence[ComparedRun], folder: Path, registry: Registry, command: str = ""
) -> Path:
    """Write a site: ``index.html``, its numbers as CSV, JSON and Markdown, and the runs' reports.

    Args:
        runs: The runs; those that are not finished are left out.
        folder: Where to; made where it is missing.
        registry: Has the sections of the reports.
        command: The command that made it, for people.

    Returns:
        Path of the first page.

    Raises:
        ConfigError: No run is finished.
    """
    finished = finished_runs(runs)
    links = _write_reports(finished, folder, registry)
    page = leaderboard_page(runs, links, command)
    records = [
        entry.as_dict(rank, links[entry.seeds[0].folder])
        for group in ranking(finished)
        for rank, entry in enumerate(group, start=1)
    ]
    return write_page_files(page, records, folder, "index", {"schema": SCHEMA, "entries": records})


def finished_runs(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    """Return the runs that can be ranked.

    Raises:
        ConfigError: No run is finished.
    """
    # An interrupted run may have been better had it finished, which a rank would deny.
    finished = [run for run in runs if run.results is not None and run.results.targets]
    if not finished:
        raise ConfigError("None of these runs is finished, so there is nothing to rank.")
    return finished


def leaderboard_page(
    runs: Sequence[ComparedRun], links: Mapping[Path, str], command: str = ""
) -> Page:
    """Return the page that ranks runs.

    Args:
        runs: The runs; those that are not finished are left out.
        links: Addresses of the reports of finished runs, by their folders.
        command: The command that made it, for people.

    Raises:
        ConfigError: No run is finished.
    """
    finished = finished_runs(runs)
    groups = ranking(finished)
    keys = [group[0].key for group in groups]
    citations = [
        text for group in groups for entry in group for run in entry.runs for text in run.citations
    ]
    return Page(
        eyebrow="MatSciML leaderboard",
        title=f"{counted(len(groups), 'ranking')} of {counted(len(finished), 'run')}",
        lead="Numbers compare within one ranking: the same label of the same crystals, in physical "
        "units.",
        facts=facts(("Runs", f"{len(finished)} finished, {len(runs) - len(finished)} left out")),
        sections=[
            _section(index, group, links, alone=keys.count(group[0].key) == 1)
            for index, group in enumerate(groups)
        ],
        command=command,
        citations=list(dict.fromkeys(citations)),
    )


def ranking(runs: Sequence[ComparedRun]) -> list[list[RankedRuns]]:
    """Group runs by label and split, the only ones that compare, the best of a group first."""
    # Runs that differ in nothing but their seed, and make one entry, by what they have in common.
    members: dict[tuple[str, str, str], list[tuple[ComparedRun, TargetResult]]] = {}
    for run in runs:
        for key, target in (run.results.targets if run.results else {}).items():
            members.setdefault((key, target.split, run.recipe), []).append((run, target))
    groups: dict[tuple[str, str], list[RankedRuns]] = {}
    for (key, split, _), all_pairs in members.items():
        pairs = _once_per_seed(all_pairs)
        target = pairs[0][1]
        entry = RankedRuns(
            key=key,
            split=split,
            metric=headline_metric(target.info, target.metrics) or "",
            seeds=[run for run, _ in pairs],
            runs=[run.results for run, _ in pairs if run.results],
            results=[result for _, result in pairs],
            repeats=len(all_pairs) - len(pairs),
        )
        groups.setdefault((key, split), []).append(entry)
    return [sorted(group, key=lambda entry: entry.badness) for _, group in sorted(groups.items())]


def _once_per_seed(
    pairs: Sequence[tuple[ComparedRun, TargetResult]],
) -> list[tuple[ComparedRun, TargetResult]]:
    """Return the newest run of each seed; copies of a folder are of one seed, too."""
    newest: dict[Any, tuple[ComparedRun, TargetResult]] = {}
    for run, target in pairs:
        seed = json.dumps(run.training("seed"))
        if seed not in newest or _started(run) > _started(newest[seed][0]):
            newest[seed] = (run, target)
    return list(newest.values())


def _started(run: ComparedRun) -> str:
    """Return when the run started, in ISO 8601, by which text sorts as time does."""
    return str(run.files.summary.get("started", ""))


def _write_reports(
    runs: Sequence[ComparedRun], folder: Path, registry: Registry
) -> dict[Path, str]:
    """Write what the site shows of each run; return its address within the site by its folder.

    Nothing is copied: the page that lies in a run folder may be anybody's, with a script in it that
    would run on the site. Report, summary and configuration are written from what was read.
    """
    links: dict[Path, str] = {}
    names: set[str] = set()
    for run in runs:
        # Runs of several parents may have the same name.
        name, turn = run.name, 1
        while name in names:
            turn += 1
            name = f"{run.name}-{turn}"
        names.add(name)
        copy = folder / REPORTS / name
        copy.mkdir(parents=True, exist_ok=True)
        write_page(report_page(run.files, registry), copy / REPORT)
        write_json(copy / SUMMARY, run.files.summary)
        config = yaml.safe_dump(dict(run.files.config), sort_keys=False, allow_unicode=True)
        write_whole(copy / CONFIG, config.encode())
        links[run.folder] = f"{REPORTS}/{quote(name)}/{REPORT}"
    return links


def _section(
    index: int, group: Sequence[RankedRuns], links: Mapping[Path, str], *, alone: bool
) -> Section:
    """Return a ranking.

    Args:
        index: Its number on the page.
        group: The runs, the best first.
        links: Addresses of their reports.
        alone: Whether no other ranking is of the same label; others are told apart by the split.
    """
    # The metric is the same for all of a group: they have the same label.
    best = group[0]
    dataset, _, label = best.key.partition("/")
    title = words(label)
    columns = [
        Column(key="model", title="Encoder"),
        # First, so that a telephone shows it.
        Column(
            key="value",
            title=metric_info(best.metric).short,
            unit=best.unit,
            numeric=True,
            strong=True,
        ),
        Column(key="place", title="Place", numeric=True),
        Column(key="strategy", title="Strategy", facet=True),
        Column(key="skill", title="Skill", numeric=True, meaning=metric_info("skill").meaning),
        Column(key="crystals", title="Trained on", numeric=True, meaning="Crystals"),
        Column(key="parameters", title="Parameters", numeric=True),
        Column(key="time", title="Time", numeric=True, meaning="Wall time of one run"),
        Column(key="seeds", title="Seeds", numeric=True),
        Column(key="started", title="Date"),
    ]
    rows = [_row(entry, rank, links) for rank, entry in enumerate(group, start=1)]
    for name, value in _baselines(group):  # lines of the sheet, but without a place
        model = Value(describe_baseline(name), below="no network")
        baseline = {"model": model, "value": Value(number(value), order=value, tone="quiet")}
        rows.append({**dict.fromkeys((column.key for column in columns), Value()), **baseline})
    split = "" if alone else f", split {best.split[:12] or 'unknown'}"
    return Section(
        anchor=f"ranking-{index}",
        title=f"{title[:1].upper()}{title[1:]}, {dataset}{split}",
        lead=f"Split {best.split[:12]}." if best.split else "",
        views=[Sheet(caption=f"{title} of {dataset}", columns=columns, rows=rows)],
    )


def _baselines(group: Sequence[RankedRuns]) -> list[tuple[str, float]]:
    """Return the baselines of a ranking with their values, the best first.

    They depend on the training subset, of which runs may have taken a part: of each the best.
    """
    metric = group[0].metric
    sign = -1.0 if metric_info(metric).larger_is_better else 1.0
    best: dict[str, float] = {}
    for entry in group:
        for result in entry.results:
            for name, metrics in result.baselines.items():
                value = metrics.get(metric)
                if value is not None and sign * value < sign * best.get(name, sign * math.inf):
                    best[name] = value
    return sorted(best.items(), key=lambda item: sign * item[1])


def _row(entry: RankedRuns, rank: int, links: Mapping[Path, str]) -> dict[str, Value]:
    run, crystals = entry.seeds[0], entry.results[0].training_crystals
    parameters, seconds = entry.cost("parameters", "total"), entry.cost("wall_seconds")
    others = [
        words(key) for key in (run.results.targets if run.results else {}) if key != entry.key
    ]
    below = f"with {', '.join(others)}" if others else run.name
    if entry.repeats:
        below += f"; {counted(entry.repeats, 'repeat')} of the same seeds left out"
    if entry.seen:
        below += "; has seen these crystals before the run"
    return {
        "model": Value(
            run.component("encoder"),
            below=below,
            link=links[run.folder],
        ),
        "place": Value(str(rank), order=rank),
        "strategy": Value(run.component("strategy")),
        "value": spread_value(entry.value),
        "skill": number_value(entry.over_seeds("skill").mean),
        "crystals": Value(count(crystals), order=crystals),
        "parameters": Value()
        if parameters is None
        else Value(count(round(parameters)), order=parameters),
        "time": Value(duration(seconds), order=seconds),
        "seeds": Value(str(len(entry.runs)), order=len(entry.runs)),
        "started": Value(moment(run.files.summary.get("started", ""))),
    }
