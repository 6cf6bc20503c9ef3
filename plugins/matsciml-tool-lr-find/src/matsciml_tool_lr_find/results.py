"""The losses at rising rates as a page with their plot, a table of numbers, and a summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matsciml_core.files import delivering
from matsciml_core.training.run_folder import command_line
from matsciml_tool_lr_find.finder import FEWEST, RateCurve
from matsciml_util_pages import svg
from matsciml_util_pages.pages import Page, Section, write_page_files
from matsciml_util_pages.plots import Figures, Plot, few_ticks, legend_above, plain_log
from matsciml_util_pages.views import facts

NAME = "lr-find"
"""Name of the files, without their ending."""


def summary(curve: RateCurve) -> list[tuple[str, str]]:
    """Return names and values of what was found."""
    rows = [
        ("Model", f"{curve.encoder} on {curve.datasets}"),
        ("Optimiser", f"{curve.optimiser}, batches of {curve.batch_size} crystals"),
        ("Steps", f"{len(curve.rates)}{', until the loss had grown' if curve.diverged else ''}"),
    ]
    if curve.best is not None:
        rows.append(("Lowest loss at", f"{curve.rates[curve.best]:.2g}"))
    if curve.steepest is not None:
        rows.append(("Loss falls fastest at", f"{curve.steepest:.2g}"))
    return rows


def notices(curve: RateCurve) -> list[str]:
    """Return what a reader must know before believing the numbers."""
    if curve.steepest is None:
        return ["The loss never falls, so that no rate is suggested; begin lower, with --from."]
    if curve.best == len(curve.rates) - 1 and not curve.diverged:
        return [
            "The loss falls to the last step, so that larger rates may do; end higher, with --to."
        ]
    return []


def write(curve: RateCurve, folder: Path) -> Path:
    """Write page, CSV and JSON, together or not at all.

    Args:
        curve: What was found.
        folder: The folder; made where it is missing.

    Returns:
        Path of the page.
    """
    records = [
        {"step": step, "learning_rate": float(rate), "loss": float(loss), "average": float(average)}
        for step, (rate, loss, average) in enumerate(
            zip(curve.rates, curve.losses, curve.smooth, strict=True), start=1
        )
    ]
    data: dict[str, Any] = {
        "command": command_line(),
        "encoder": curve.encoder,
        "datasets": curve.datasets,
        "optimiser": curve.optimiser,
        "batch_size": curve.batch_size,
        "steepest": curve.steepest,
        "lowest_loss_at": None if curve.best is None else float(curve.rates[curve.best]),
        "diverged": curve.diverged,
        "steps": records,
    }
    page = Page(
        eyebrow="Learning-rate finder",
        title=f"{curve.encoder} on {curve.datasets}",
        notices=notices(curve),
        facts=facts(*summary(curve)),
        sections=[
            Section(
                anchor="losses", title="Loss against learning rate", views=[Figures([_plot(curve)])]
            )
        ],
        command=command_line(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with delivering(folder) as part:
        write_page_files(page, records, part, NAME, data)
    return folder / f"{NAME}.html"


def _plot(curve: RateCurve) -> Plot:
    smooth = curve.smooth
    words = f"The training loss in {len(curve.rates)} steps whose learning rate rises."
    if curve.steepest is not None and curve.best is not None:
        words += (
            f" It falls fastest at {curve.steepest:.2g}, and is lowest at "
            f"{curve.rates[curve.best]:.2g}."
        )
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.set_xscale("log")
        axes.plot(curve.rates, curve.losses, ".", color=svg.BASELINE, markersize=3, label="batches")
        axes.plot(curve.rates, smooth, color=svg.MODEL, label="average")
        if curve.steepest is not None:
            axes.axvline(curve.steepest, color=svg.SECOND, linewidth=1.2, label="falls fastest")
        # A loss that has burst would press all the rest onto the axis.
        first = smooth[FEWEST:].max() if len(smooth) > FEWEST else smooth.max()
        low, high = float(curve.losses.min()), float(max(smooth[: FEWEST + 1].max(), 0.5 * first))
        axes.set_ylim(low - 0.05 * (high - low), high + 0.15 * (high - low))
        axes.set_xlabel("Learning rate")
        axes.set_ylabel("Training loss")
        plain_log(axes.xaxis)
        few_ticks(axes.yaxis, 5)
        legend_above(axes)
        title = "Loss against learning rate"
        return Plot(title, svg.to_svg(figure, f"{title}. {words}"), words)
