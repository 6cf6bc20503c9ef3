"""The section of learning: curves over the epochs, and conflict between tasks."""

from __future__ import annotations

import numpy as np

from matsciml_core.training.gradient_angles import GRADIENTS
from matsciml_core.training.run_folder import METRICS
from matsciml_tool_report.heat_maps import conflict_map
from matsciml_tool_report.learning_curves import Curve, CurvePlot, Level, learning_curve
from matsciml_tool_report.run_targets import Target, read_targets
from matsciml_util_pages.metrics import metric_info
from matsciml_util_pages.numbers import number
from matsciml_util_pages.plots import Figures, Plot
from matsciml_util_pages.run_files import RunFiles
from matsciml_util_pages.svg import MODEL, SECOND
from matsciml_util_pages.views import Absent, Heading, Lead, View

_LOSSES = (("training", "train/loss", MODEL), ("validation", "validation/loss", SECOND))
"""Name, column of the metrics file, and colour."""


def learning(run: RunFiles) -> list[View]:
    """Return the learning curves of a run, and what is known about conflict between its tasks."""
    views: list[View] = []
    curves = _curves(run)
    if len(run.epochs) > 1:
        if run.best_epoch is not None:
            tested = list(run.tested_epochs) == [run.best_epoch]
            what = "whose weights were tested" if tested else "the lowest validation loss"
            views.append(Lead(f"A ring marks epoch {run.best_epoch}, {what}."))
        curves += [_validation_curve(run, target) for target in read_targets(run)]
    views.append(Figures(curves))
    # Recorded only where it was asked for, with --inspect-gradients.
    conflicts: list[Plot | Absent] = [conflict_map(angles) for angles in run.angles]
    if GRADIENTS in run.problems:
        conflicts = [Absent(run.problems[GRADIENTS])]
    if conflicts:
        views += [
            Heading("Conflict between tasks"),
            Lead(
                "The cosine of the angle between the gradients that two tasks ask of the encoder: "
                "below zero they pull apart."
            ),
            Figures(conflicts),
        ]
    return views


def _curves(run: RunFiles) -> list[Plot | Absent]:
    """Return the curves that all targets share, loss and learning rate, or why there is none."""
    if METRICS in run.problems:
        return [Absent(run.problems[METRICS])]
    if not len(run.epochs):
        return [Absent(f"{METRICS} holds no epoch, so there is no curve to draw.")]
    losses = [
        Curve(name, run.history[column], colour)
        for name, column, colour in _LOSSES
        if column in run.history
    ]
    if len(run.epochs) < 2:
        # What a curve would have started from is better than nothing.
        values = ", ".join(f"{loss.name} {number(float(loss.values[0]))}" for loss in losses)
        told = f" Loss after it: {values}." if losses else ""
        return [Absent(f"The run has one epoch, and a curve needs two.{told}")]
    rate = run.history.get("learning_rate", np.empty(0))
    plots = [
        CurvePlot(title="Loss", epochs=run.epochs, curves=losses, best_epoch=run.best_epoch),
        CurvePlot(title="Learning rate", epochs=run.epochs, curves=[Curve("learning rate", rate)]),
    ]
    return [learning_curve(plot) for plot in plots]


def _validation_curve(run: RunFiles, target: Target) -> Plot | Absent:
    if METRICS in run.problems:
        return Absent(run.problems[METRICS])
    # Runs write the validation set's metrics under the names of the test set's.
    metric = target.metric or "mae"
    info = metric_info(metric)
    title = f"Validation {info.short}"
    values = run.history.get(f"validation/{target.key}/{metric}")
    if values is None:
        return Absent(f"{title}: {METRICS} has no column for it.")
    level = target.validation_baseline(metric)
    plot = CurvePlot(
        title=title,
        subject=target.title if len(run.entry("metrics", "test")) > 1 else "",
        unit=info.unit(target.unit),
        epochs=run.epochs,
        curves=[Curve("model", values)],
        best_epoch=run.best_epoch,
        level=None if level is None else Level(*level),
    )
    return learning_curve(plot)
