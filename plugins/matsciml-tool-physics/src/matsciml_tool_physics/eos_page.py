"""The equation of state as numbers, a table and a page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from matsciml_tool_physics.equation_of_state import EquationOfState
from matsciml_tool_physics.inputs import Computation
from matsciml_util_pages import svg
from matsciml_util_pages.pages import Section
from matsciml_util_pages.plots import Figures, Plot, label_axes, legend_above
from matsciml_util_pages.sheets import Column, Sheet, Value

EYEBROW = "Equation of state"

_RELAXED = {
    "none": "nothing; atoms keep their fractional coordinates",
    "atoms": "atoms at every volume, in a cell of the shape in the file",
    "shape": "atoms and shape of the cell at every volume",
}


def summary(result: EquationOfState) -> list[tuple[str, str]]:
    """Return names and values of what was computed."""
    rows = [("Relaxed", _RELAXED[result.relaxed])]
    if result.fit is not None:
        fit, count = result.fit, result.num_atoms
        rows += [
            ("Volume V0", f"{fit.volume:z.4f} Å³, {fit.volume / count:z.4f} Å³/atom"),
            ("Bulk modulus B0", f"{fit.bulk_modulus:z.3f} GPa"),
            ("Derivative B0'", f"{fit.derivative:z.3f}"),
            ("Energy E0", f"{fit.energy / count:z.6f} eV/atom"),
            ("Residual", f"{1e3 * fit.residual / count:z.4f} meV/atom (root mean square)"),
        ]
    return rows


def records(result: EquationOfState) -> list[dict[str, Any]]:
    """Return one row per volume."""
    return [
        {
            "volume_A3": point.volume,
            "energy_eV": point.energy,
            "fit_eV": None if result.fit is None else float(result.fit.energy_at(point.volume)),
            "converged": point.converged,
        }
        for point in result.points
    ]


def as_data(result: EquationOfState, computation: Computation) -> dict[str, Any]:
    """Return everything that was computed, as JSON has it."""
    fit = None if result.fit is None else asdict(result.fit) | {"inside": result.inside}
    return computation.as_data() | {
        "property": "equation of state",
        "units": {"volume": "Å³", "energy": "eV", "bulk_modulus": "GPa", "residual": "eV"},
        "num_atoms": result.num_atoms,
        "birch_murnaghan": fit,
        "points": [asdict(point) for point in result.points],
        "notices": result.notices,
    }


def sections(result: EquationOfState) -> list[Section]:
    """Return the sections of the page: the curve, and a table of its points."""
    return [
        Section(
            anchor="energies",
            title="Energy against volume",
            views=[Figures([_plot(result)]), _table(result)],
        )
    ]


def _plot(result: EquationOfState) -> Plot:
    count = result.num_atoms
    volumes = np.array([point.volume for point in result.points])
    energies = np.array([point.energy for point in result.points])
    least = energies.min() if result.fit is None else min(result.fit.energy, energies.min())
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        heights = 1e3 * (energies - least) / count
        axes.plot(volumes / count, heights, "o", color=svg.MODEL, label="model", markersize=4.5)
        if result.fit is not None:
            # To the minimum, also where that lies beyond the volumes, unless it is far away.
            ends = [*volumes, *(v for v in [result.fit.volume] if 0.5 < v / volumes.mean() < 1.5)]
            fine = np.linspace(min(ends), max(ends), 200)
            curve = 1e3 * (result.fit.energy_at(fine) - least) / count
            axes.plot(fine / count, curve, color=svg.SECOND, label="Birch–Murnaghan", zorder=1)
        label_axes(axes, "Volume (Å³/atom)", "Energy above the least (meV/atom)", ticks=(5, 6))
        legend_above(axes)
        text = f"Energy of {result.formula} at {len(volumes)} volumes."
        return Plot("Energy against volume", svg.to_svg(figure, text), text)


def _table(result: EquationOfState) -> Sheet:
    columns = [
        Column(key="volume", title="Volume", unit="Å³", numeric=True),
        Column(key="energy", title="Energy", unit="eV", numeric=True),
        Column(key="difference", title="Energy minus fit", unit="meV/atom", numeric=True),
        Column(key="relaxed", title="Relaxed"),
    ]
    rows = []
    for point in result.points:
        relaxed = "yes" if point.converged else "forces left"
        row = {
            "volume": Value(f"{point.volume:z.4f}", order=point.volume),
            "energy": Value(f"{point.energy:z.6f}", order=point.energy),
            "difference": Value(),
            "relaxed": Value("" if result.relaxed == "none" else relaxed),
        }
        if result.fit is not None:
            excess = point.energy - float(result.fit.energy_at(point.volume))
            meV = 1e3 * excess / result.num_atoms
            row["difference"] = Value(f"{meV:+z.4f}", order=meV)
        rows.append(row)
    return Sheet(caption="Volumes and energies", columns=columns, rows=rows)
