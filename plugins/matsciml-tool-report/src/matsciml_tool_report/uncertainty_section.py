"""Whether a model knows how far its predictions may be off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from matsciml_core.files import read_object
from matsciml_core.model.location import CALIBRATION, DESCRIPTION
from matsciml_core.model.uncertainty import Calibration
from matsciml_tool_report.run_targets import Target, read_targets
from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, percent, quantity, with_unit
from matsciml_util_pages.plots import Figures, Plot, label_axes, legend_above
from matsciml_util_pages.run_files import Numbers, Predictions, RunFiles
from matsciml_util_pages.views import Heading, View

_GROUPS = 10
"""Groups of crystals with similar spread."""
_FEWEST = 5
"""Fewest crystals in a group."""


def uncertainty(run: RunFiles) -> Iterator[View]:
    """Yield figures for each label whose predictions have a spread.

    Args:
        run: What the run folder holds.
    """
    targets = [target for target in read_targets(run) if _spreads(run, target) is not None]
    calibrations = (read_object(run.folder / DESCRIPTION) or {}).get(CALIBRATION)
    recorded = calibrations if isinstance(calibrations, Mapping) else {}
    for target in targets:
        if len(targets) > 1:
            yield Heading(target.title)
        values, calibration = run.predictions[target.key], recorded.get(target.key)
        spreads = _spreads(run, target)
        if spreads is None:
            continue
        known = Calibration.from_data(calibration)
        # Of extensive labels intervals may go by the number of atoms, which is not kept here.
        plots = (
            [] if known is None or known.scale == "atoms" else [_coverage(values, spreads, known)]
        )
        yield Figures([*plots, _error_against_spread(values, spreads, target)])


def _spreads(run: RunFiles, target: Target) -> Numbers | None:
    values = run.predictions.get(target.key)
    return None if values is None or not len(values.labels) else values.spreads


def _coverage(values: Predictions, spreads: Numbers, calibration: Calibration) -> Plot:
    """Plot the share of test labels in intervals against the share that these are to hold."""
    errors = np.abs(values.errors)
    levels = sorted(calibration.quantiles)
    shares = []
    for level in levels:
        widths = np.array(
            [calibration.half_width(level, spread=one, atoms=1) for one in spreads.tolist()]
        )
        shares.append(float((errors <= widths).mean()))
    said = ", ".join(
        f"{percent(share)} in intervals of {percent(level)}"
        for level, share in zip(levels, shares, strict=True)
    )
    count = counted(calibration.count, "validation crystal")
    words = f"Of the labels of the test set lie {said}. Calibrated on {count}."
    with svg.plot_settings():
        figure, axes = svg.new_axes(square=True)
        axes.plot(
            [0, 100], [0, 100], color=svg.BASELINE, linestyle=svg.DASHED, label="as it should be"
        )
        axes.plot(
            [100 * one for one in levels], [100 * one for one in shares],
            color=svg.MODEL, marker="o", label="intervals",
        )  # fmt: skip
        axes.set(xlim=(0, 100), ylim=(0, 100))
        legend_above(axes)
        label_axes(axes, "Stated coverage (%)", "Labels in the interval (%)")
        markup = svg.to_svg(figure, words)
    return Plot("Coverage of intervals", markup, words)


def _error_against_spread(values: Predictions, spreads: Numbers, target: Target) -> Plot:
    """Plot the root mean square error of crystals with similar spread against that spread."""
    order = np.argsort(spreads)
    groups = np.array_split(order, max(1, min(_GROUPS, len(order) // _FEWEST)))
    means = np.array([np.sqrt(np.mean(spreads[group] ** 2)) for group in groups])
    errors = np.array([np.sqrt(np.mean(values.errors[group] ** 2)) for group in groups])
    unit = target.unit
    words = (
        f"{counted(len(order), values.noun)} of the test set in {counted(len(groups), 'group')} of "
        f"similar spread: where it is about {quantity(float(means[0]), unit)}, the error is "
        f"{quantity(float(errors[0]), unit)}, and where it is {quantity(float(means[-1]), unit)}, "
        f"{quantity(float(errors[-1]), unit)}. On the dashed line both are the same."
    )
    most = 1.08 * float(max(means.max(), errors.max())) or 1.0
    with svg.plot_settings():
        figure, axes = svg.new_axes(square=True)
        axes.plot([0, most], [0, most], color=svg.BASELINE, linestyle=svg.DASHED)
        axes.plot(means, errors, color=svg.MODEL, marker="o")
        axes.set(xlim=(0, most), ylim=(0, most))
        label_axes(axes, with_unit("Spread", unit), with_unit("Root mean square error", unit))
        markup = svg.to_svg(figure, f"Error of {target.title} against spread. {words}")
    return Plot("Error against spread", markup, words)
