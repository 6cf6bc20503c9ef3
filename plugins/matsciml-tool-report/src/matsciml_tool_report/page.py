"""The page: everything of a run brought together and written as one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.training.gradient_angles import GRADIENTS
from matsciml_core.training.run_folder import CONFIG, METRICS, SUMMARY
from matsciml_tool_report import cards, matrices, target_views
from matsciml_tool_report.crystals import KnownCrystals, read_crystals
from matsciml_tool_report.curves import Curve, CurvePlot, learning_curve
from matsciml_tool_report.targets import read_targets
from matsciml_tool_report.tested_crystals import describe
from matsciml_util_pages import page_shell
from matsciml_util_pages.numbers import duration, moment, number, words
from matsciml_util_pages.plots import Absent, Plot
from matsciml_util_pages.run_files import RunFiles, read_run
from matsciml_util_pages.svg import MODEL, SECOND

REPORT = "report.html"
"""The file in a run folder."""
_LOSSES = (("training", "train/loss", MODEL), ("validation", "validation/loss", SECOND))
"""Name, column of the metrics file, and colour."""


def write_report(folder: Path, datasets: Mapping[str, Dataset] | None = None) -> Path:
    """Write ``report.html`` into a run folder.

    The page needs no network and nothing beside it. What the folder lacks is named on the page.

    Args:
        folder: The run folder.
        datasets: The data of the run by name; where they are given, what the report says about the
            crystals of the test set is written down first, so that it can be drawn again without.

    Returns:
        Path of the page.

    Raises:
        ConfigError: It is no run folder.
    """
    run = read_run(folder)
    if datasets is not None and run.predictions:
        describe(folder, run, datasets)
    page = render(run, read_crystals(folder))
    part = folder / f"{REPORT}.part"
    part.write_text(page, encoding="utf-8")
    return part.replace(folder / REPORT)


def render(run: RunFiles, crystals: KnownCrystals) -> str:
    """Return the page of a run.

    Args:
        run: What its folder holds.
        crystals: What is known about the crystals it was tested on.
    """
    return page_shell.render(
        page_shell.read_asset("matsciml_tool_report", "report.html.j2"), _context(run, crystals)
    )


def _context(run: RunFiles, crystals: KnownCrystals) -> dict[str, Any]:
    views = [target_views.view(run, target, crystals) for target in read_targets(run)]
    return {
        "title": _title(run),
        "when": _when(run),
        "notices": _notices(run),
        "views": views,
        "unknown": crystals.problems.values() if any(one.crystals for one in views) else [],
        "curves": _curves(run),
        "has_curves": len(run.epochs) > 1,
        "conflicts": _conflicts(run),
        "best_epoch": run.best_epoch,
        "data": cards.data_cards(run),
        "model": cards.model_card(run),
        "cost": cards.cost_card(run),
        "provenance": cards.provenance_card(run),
        "command": str(run.summary.get("command") or ""),
        "config": run.config_text,
        "citations": cards.citations(run),
        "is_plot": lambda item: isinstance(item, Plot),
    }


def _title(run: RunFiles) -> str:
    """Return encoder, datasets and targets, for example ``megnet on mp: band gap``."""
    targets = read_targets(run)
    encoders, datasets = (_names(run.config.get(key)) for key in ("encoder", "datasets"))
    who = " on ".join(" + ".join(names) for names in (encoders, datasets) if names)
    what = targets[0].title if len(targets) == 1 else f"{len(targets)} targets" if targets else ""
    return ": ".join(part for part in (who, what) if part) or run.name


def _names(components: object) -> list[str]:
    """Return the names of one or several components of the configuration."""
    listed = components if isinstance(components, list) else [components]
    return [str(item["name"]) for item in listed if isinstance(item, dict) and "name" in item]


def _when(run: RunFiles) -> str:
    started, seconds = run.summary.get("started"), run.summary.get("wall_seconds")
    parts = [moment(started)] if started else []
    parts += [f"took {duration(seconds)}"] if isinstance(seconds, int | float) else []
    return ", ".join(parts)


def _notices(run: RunFiles) -> list[str]:
    """Return what a reader must know before believing the page."""
    notices = [run.problems[name] for name in (SUMMARY, CONFIG) if name in run.problems]
    status = run.summary.get("status", "finished")
    if status != "finished":
        notices.append(f"This run is {words(str(status))}, not finished; its numbers may change.")
    return notices


def _curves(run: RunFiles) -> list[Plot | Absent]:
    """Return the curves that all targets share: loss and learning rate."""
    if METRICS in run.problems:
        return [Absent(run.problems[METRICS])]
    if len(run.epochs) < 2:
        return [Absent(_too_short(run))]
    best = run.best_epoch
    losses = [
        Curve(name, run.history[column], colour)
        for name, column, colour in _LOSSES
        if column in run.history
    ]
    rate = run.history.get("learning_rate", np.empty(0))
    plots = [
        CurvePlot(title="Loss", epochs=run.epochs, curves=losses, best_epoch=best),
        CurvePlot(title="Learning rate", epochs=run.epochs, curves=[Curve("learning rate", rate)]),
    ]
    return [learning_curve(plot) for plot in plots]


def _conflicts(run: RunFiles) -> list[Plot | Absent]:
    """Return a heat map for each pair of tasks whose gradients were compared."""
    if GRADIENTS in run.problems:
        return [Absent(run.problems[GRADIENTS])]
    return [matrices.conflict_map(angles) for angles in run.angles]


def _too_short(run: RunFiles) -> str:
    """Say why there is no curve, with the numbers that a curve would have started from."""
    if not len(run.epochs):
        return f"{METRICS} holds no epoch, so there is no curve to draw."
    values = [
        f"{name} {number(float(run.history[column][0]))}"
        for name, column, _ in _LOSSES
        if column in run.history
    ]
    text = "The run has one epoch, and a curve needs two."
    return f"{text} Loss after it: {', '.join(values)}." if values else text
