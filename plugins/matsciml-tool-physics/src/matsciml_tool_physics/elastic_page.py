"""Elastic constants as numbers, tables and a page."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from matsciml_core.data.symmetry.orbits import space_group_symbol
from matsciml_tool_physics.elasticity import ElasticConstants
from matsciml_tool_physics.inputs import Computation
from matsciml_util_pages import svg
from matsciml_util_pages.pages import Section
from matsciml_util_pages.plots import Figures, Plot, label_axes
from matsciml_util_pages.views import Table

EYEBROW = "Elastic constants"

_COMPONENTS = [(i, j) for i in range(6) for j in range(i, 6)]
_MODULI = {
    "bulk_voigt": "Bulk modulus, Voigt (GPa)",
    "bulk_reuss": "Bulk modulus, Reuss (GPa)",
    "bulk_hill": "Bulk modulus, Hill (GPa)",
    "shear_voigt": "Shear modulus, Voigt (GPa)",
    "shear_reuss": "Shear modulus, Reuss (GPa)",
    "shear_hill": "Shear modulus, Hill (GPa)",
    "young": "Young's modulus (GPa)",
    "poisson": "Poisson's ratio",
    "anisotropy": "Universal anisotropy",
}


def summary(result: ElasticConstants) -> list[tuple[str, str]]:
    """Return names and values of what was computed."""
    moduli = result.moduli
    number = result.space_group
    return [
        ("Ions", "relaxed in every strained cell" if result.relaxed_ions else "clamped"),
        ("Symmetry", f"{space_group_symbol(number)} (space group {number})"),
        ("Stable", "yes" if result.stable else "no"),
        ("Bulk modulus (Hill)", _number(moduli.bulk_hill, " GPa")),
        ("Shear modulus (Hill)", _number(moduli.shear_hill, " GPa")),
        ("Young's modulus", _number(moduli.young, " GPa")),
        ("Poisson's ratio", _number(moduli.poisson)),
        ("Stresses against energies", f"differ by up to {result.difference:z.2f} GPa"),
        ("Changed by symmetrising", f"up to {result.symmetry_error:z.2f} GPa"),
    ]


def matrix_rows(result: ElasticConstants) -> list[tuple[str, ...]]:
    """Return the upper triangle of the symmetrised constants, a row per component."""
    return [
        (str(i + 1), *("" if j < i else f"{result.symmetrised[i, j]:z.2f}" for j in range(6)))
        for i in range(6)
    ]


def records(result: ElasticConstants) -> list[dict[str, Any]]:
    """Return one row per component."""
    return [
        {
            "i": i + 1,
            "j": j + 1,
            "symmetrised_GPa": float(result.symmetrised[i, j]),
            "from_stresses_GPa": float(result.from_stresses[i, j]),
            "from_energies_GPa": float(result.from_energies[i, j]),
        }
        for i, j in _COMPONENTS
    ]


def as_data(result: ElasticConstants, computation: Computation) -> dict[str, Any]:
    """Return everything that was computed, as JSON has it."""
    moduli = {name: _finite(value) for name, value in asdict(result.moduli).items()}
    return computation.as_data() | {
        "property": "elastic constants",
        "units": {"constants": "GPa", "stress": "GPa", "volume": "Å³", "moduli": "GPa"},
        "order": ["xx", "yy", "zz", "yz", "xz", "xy"],
        "num_atoms": result.num_atoms,
        "volume": result.volume,
        "relaxed_ions": result.relaxed_ions,
        "space_group": result.space_group,
        "stress": result.stress.tolist(),
        "symmetrised": result.symmetrised.tolist(),
        "from_stresses": result.from_stresses.tolist(),
        "from_energies": result.from_energies.tolist(),
        "difference": result.difference,
        "asymmetry": result.asymmetry,
        "symmetry_error": result.symmetry_error,
        "eigenvalues": result.stability.tolist(),
        "stable": result.stable,
        "moduli": moduli,
        "notices": result.notices,
    }


def sections(result: ElasticConstants) -> list[Section]:
    """Return the sections of the page: the matrix, both ways, and the moduli."""
    matrix = Table(
        caption="Elastic constants, symmetrised (GPa)",
        columns=["", "1 (xx)", "2 (yy)", "3 (zz)", "4 (yz)", "5 (xz)", "6 (xy)"],
        rows=matrix_rows(result),
        note="In the Cartesian axes of the cell in the file; the matrix is symmetric.",
    )
    ways = Table(
        caption="From stresses and from energies (GPa)",
        columns=["Component", "Symmetrised", "From stresses", "From energies"],
        rows=[
            (
                f"C{i + 1}{j + 1}",
                f"{result.symmetrised[i, j]:z.2f}",
                f"{result.from_stresses[i, j]:z.2f}",
                f"{result.from_energies[i, j]:z.2f}",
            )
            for i, j in _COMPONENTS
        ],
    )
    moduli = Table(
        caption="Averages over directions",
        columns=["Modulus", "Value"],
        rows=[(title, _number(getattr(result.moduli, key))) for key, title in _MODULI.items()],
    )
    eigenvalues = Table(
        caption="Born stability: eigenvalues of the matrix",
        columns=["", "GPa"],
        rows=[(str(n), f"{value:z.2f}") for n, value in enumerate(result.stability, start=1)],
        note="The crystal is stable where all are positive.",
    )
    return [
        Section(anchor="constants", title="Elastic constants", views=[matrix]),
        Section(anchor="moduli", title="Moduli and stability", views=[moduli, eigenvalues]),
        Section(anchor="ways", title="Both ways", views=[Figures([_plot(result)]), ways]),
    ]


def _plot(result: ElasticConstants) -> Plot:
    stresses = np.array([result.from_stresses[i, j] for i, j in _COMPONENTS])
    energies = np.array([result.from_energies[i, j] for i, j in _COMPONENTS])
    with svg.plot_settings():
        figure, axes = svg.new_axes(square=True)
        ends = [min(stresses.min(), energies.min()), max(stresses.max(), energies.max())]
        axes.plot(ends, ends, color=svg.BASELINE, linestyle=svg.DASHED, linewidth=1.2)
        axes.plot(stresses, energies, "o", color=svg.MODEL, markersize=4.5)
        label_axes(axes, "From stresses (GPa)", "From energies (GPa)")
        text = (
            "All 21 constants from energies against those from stresses; they differ by up to "
            f"{result.difference:z.2f} GPa."
        )
        return Plot("Agreement", svg.to_svg(figure, text), text)


def _number(value: float, unit: str = "") -> str:
    return "—" if math.isnan(value) else f"{value:z.3f}{unit}"


def _finite(value: float) -> float | None:
    return None if math.isnan(value) else value
