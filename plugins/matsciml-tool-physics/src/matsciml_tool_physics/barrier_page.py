"""Barriers as numbers, a path and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase.utils.forcecurve import fit_images

from matsciml_tool_physics import property_page
from matsciml_tool_physics.inputs import Computation
from matsciml_tool_physics.transition import Barrier
from matsciml_util_pages import svg
from matsciml_util_pages.pages import Section
from matsciml_util_pages.plots import Figures, Plot, label_axes, legend_above
from matsciml_util_pages.views import Table
from matsciml_util_potential.held import carry_marks

EYEBROW = "Barrier"


def summary(result: Barrier) -> list[tuple[str, str]]:
    """Return names and values of what was computed."""
    rows = [
        ("Barrier there", f"{result.forward:z.4f} eV"),
        ("Barrier back", f"{result.backward:z.4f} eV"),
        ("Energy of reaction", f"{result.energies[-1]:+z.4f} eV"),
        ("Path", f"{result.distance[-1]:z.3f} Å; no atom moves further than "
                 f"{result.largest_shift:z.3f} Å"),
        ("Highest image", f"{result.saddle} of 0 to {len(result.images) - 1}"),
    ]  # fmt: skip
    if result.reordered:
        rows.append(("Matched", f"{result.reordered} atoms stood in other rows of the second file"))
    return rows


def records(result: Barrier) -> list[dict[str, Any]]:
    """Return one row per image."""
    return [
        {
            "image": index,
            "distance_A": float(distance),
            "energy_eV": float(energy),
            "largest_force_eV_per_A": float(np.linalg.norm(image.get_forces(), axis=1).max()),
        }
        for index, (distance, energy, image) in enumerate(
            zip(result.distance, result.energies, result.images, strict=True)
        )
    ]


def as_data(result: Barrier, computation: Computation) -> dict[str, Any]:
    """Return everything that was computed, as JSON has it; the path itself is path.extxyz."""
    return computation.as_data() | {
        "property": "barrier",
        "units": {"energy": "eV", "distance": "Å"},
        "forward": result.forward,
        "backward": result.backward,
        "reaction": float(result.energies[-1]),
        "saddle": result.saddle,
        "converged": result.converged,
        "ends_converged": result.ends_converged,
        "reordered": result.reordered,
        "largest_shift": result.largest_shift,
        "images": records(result),
        "notices": result.notices,
    }


def write_path(result: Barrier, file: Path) -> None:
    """Write the images as extended XYZ, in the atoms' order of the first file."""
    frames = []
    for image in result.images:
        frames.append(carry_marks(image.copy()))
        frames[-1].calc = image.calc
    property_page.write_structures(frames, file)


def sections(result: Barrier) -> list[Section]:
    """Return the sections of the page: the energy along the path, and its images."""
    images = Table(
        caption="Images",
        columns=["Image", "Distance (Å)", "Energy (eV)", "Largest force (eV/Å)"],
        rows=[
            (
                str(row["image"]),
                f"{row['distance_A']:z.3f}",
                f"{row['energy_eV']:z.4f}",
                f"{row['largest_force_eV_per_A']:z.3f}",
            )
            for row in records(result)
        ],
        strong=2,
        note="The band is held together across the path only: forces along it are left at all "
        "images but the ends and the highest.",
    )
    return [
        Section(
            anchor="path",
            title="Energy along the path",
            views=[Figures([_plot(result)]), images],
        )
    ]


def _plot(result: Barrier) -> Plot:
    curve = fit_images(result.images)
    # ASE measures the way in its own manner; the points are put where ours has them.
    distance = np.interp(curve.fit_path, curve.path, result.distance)
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.plot(distance, curve.fit_energies, color=svg.SECOND, label="by energies and forces")
        axes.plot(
            result.distance, result.energies, "o", color=svg.MODEL, label="images", markersize=4.5
        )
        label_axes(axes, "Distance (Å)", "Energy (eV)", ticks=(5, 6))
        legend_above(axes)
        text = (
            f"Energy along the path of {result.formula}: {result.forward:z.3f} eV up from the "
            f"first structure, {result.backward:z.3f} eV from the second."
        )
        return Plot("Path", svg.to_svg(figure, text), text)
