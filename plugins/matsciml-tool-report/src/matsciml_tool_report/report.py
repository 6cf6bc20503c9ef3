"""The report of a run: its headline, and its sections, written as one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.training.run_folder import CONFIG, FINISHED, SUMMARY
from matsciml_tool_report.describe_crystals import describe
from matsciml_tool_report.headline import headline
from matsciml_tool_report.hooks import ReportSectionSpec
from matsciml_tool_report.run_folders import seen_before
from matsciml_tool_report.run_targets import NO_METRICS, Target, read_targets
from matsciml_util_pages.numbers import duration, moment, words
from matsciml_util_pages.pages import Page, Section, check, write_page
from matsciml_util_pages.run_files import RunFiles, read_run
from matsciml_util_pages.views import Absent, View

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

REPORT = "report.html"
"""The file in a run folder."""


def write_report(
    folder: str | Path, registry: Registry, datasets: Mapping[str, Dataset] | None = None
) -> Path:
    """Write ``report.html`` into a run folder.

    The page needs no network and nothing beside it. What the folder lacks is named on the page.

    Args:
        folder: The run folder.
        registry: Has the sections of the report.
        datasets: The data of the run by name; where they are given, what the report says about the
            crystals of the test set is written down first, so that it can be written again without.

    Returns:
        Path of the page.

    Raises:
        ConfigError: It is no run folder.
    """
    folder = Path(folder)
    run = read_run(folder)
    if datasets is not None and run.predictions:
        describe(run, datasets)
    return write_page(report_page(run, registry), folder / REPORT)


def report_page(run: RunFiles, registry: Registry) -> Page:
    """Return the report of a run.

    Args:
        run: What its folder holds.
        registry: Has the sections of the report.
    """
    targets = read_targets(run)
    headlines = [
        headline(target, run.predictions.get(target.key), only=len(targets) == 1)
        for target in targets
    ]
    top: list[View] = [view for view in headlines if view is not None]
    started, seconds = run.summary.get("started"), run.summary.get("wall_seconds")
    when = [moment(started)] if started else []
    when += [f"took {duration(seconds)}"] if isinstance(seconds, int | float) else []
    # Of the other files the sections say what is missing where they would have used it.
    notices = [run.problems[name] for name in (SUMMARY, CONFIG) if name in run.problems]
    notices += [
        f"The weights that this run started from have seen most crystals of {dataset}, those of "
        "the test set among them; its error there says little about new crystals."
        for dataset in seen_before(run)
    ]
    status = run.summary.get("status", FINISHED)
    if status != FINISHED:
        notices.append(f"This run is {words(str(status))}, not finished; its numbers may change.")
    offered = registry.specs(ReportSectionSpec.kind)
    specs = {spec.name: spec for spec in offered if isinstance(spec, ReportSectionSpec)}
    return Page(
        eyebrow=" · ".join(["MatSciML run", *([", ".join(when)] if when else [])]),
        title=_title(run, targets),
        site="MatSciML report",
        notices=notices,
        top=top if targets else [NO_METRICS],
        sections=[
            section
            for spec in sorted(specs.values(), key=lambda spec: (spec.order, spec.name))
            if (section := _section(spec, run, registry)).views
        ],
    )


def _title(run: RunFiles, targets: list[Target]) -> str:
    """Return encoder, datasets and targets, for example ``megnet on mp: band gap``."""
    names = []
    for components in (run.config.get("encoder"), run.config.get("datasets")):
        listed = components if isinstance(components, list) else [components]
        named = [str(item["name"]) for item in listed if isinstance(item, dict) and "name" in item]
        names += [" + ".join(named)] if named else []
    what = targets[0].title if len(targets) == 1 else f"{len(targets)} targets" if targets else ""
    return ": ".join(part for part in (" on ".join(names), what) if part) or run.name


def _section(spec: ReportSectionSpec, run: RunFiles, registry: Registry) -> Section:
    """Return a section, or one that says why it could not be written."""
    try:
        # The look-up fails where two plugins offer the name, or a requirement is not installed.
        views = registry.get(spec.kind, spec.name).load()(run)
        section = Section(anchor=spec.name, title=spec.title, views=list(views))
        check(section)
    except Exception as error:  # whatever the function of a plugin raises
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        distribution = registry.record_of(spec).distribution
        reason = f"This section, of {distribution}, could not be written ({detail})."
        return Section(anchor=spec.name, title=spec.title, views=[Absent(reason)])
    return section
