"""Surface energies as numbers, a table and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matsciml_tool_physics import property_page
from matsciml_tool_physics.inputs import Computation
from matsciml_tool_physics.surfaces import Surfaces, name_of
from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted
from matsciml_util_pages.pages import Section
from matsciml_util_pages.plots import Figures, Plot, label_axes, legend_above
from matsciml_util_pages.sheets import Column, Sheet, Value

EYEBROW = "Surfaces"

_COLOURS = (svg.MODEL, svg.SECOND, svg.BASELINE)
_NAMED = 3
"""Curves that have a colour of their own, those of the lowest energies."""


def summary(result: Surfaces) -> list[tuple[str, str]]:
    """Return names and values of what was computed."""
    rows = []
    for one in result.surfaces:
        parts = [f"{one.energy:z.4f} J/m²", f"{one.slabs[-1].thickness:.1f} Å thick"]
        if one.change is not None:
            parts.append(f"{one.change:+z.4f} J/m² from the slab before")
        if one.from_slope is not None:
            parts.append(f"{one.from_slope:z.4f} J/m² from the slope")
        if not one.alike:
            parts.append("mean of two faces")
        rows.append((name_of(one), ", ".join(parts)))
    return rows


def records(result: Surfaces) -> list[dict[str, Any]]:
    """Return one row per slab."""
    return [
        {
            "miller": " ".join(map(str, one.miller)),
            "termination": one.termination,
            "faces_alike": one.alike,
            "thickness_A": slab.thickness,
            "atoms": slab.num_atoms,
            "area_A2": slab.area,
            "surface_energy_J_per_m2": slab.energy,
            "unrelaxed_J_per_m2": slab.unrelaxed,
            "energy_eV": slab.total,
            "converged": slab.converged,
        }
        for one in result.surfaces
        for slab in one.slabs
    ]


def as_data(result: Surfaces, computation: Computation) -> dict[str, Any]:
    """Return everything that was computed, as JSON has it."""
    return computation.as_data() | {
        "property": "surface energies",
        "units": {
            "surface_energy": "J/m²",
            "unrelaxed": "J/m²",
            "thickness": "Å",
            "area": "Å²",
            "energy": "eV",
            "energy_per_atom": "eV",
        },
        "num_atoms": result.num_atoms,
        "energy_per_atom": result.energy,
        "surfaces": [
            {
                "miller": list(one.miller),
                "termination": one.termination,
                "faces_alike": one.alike,
                "surface_energy": one.energy,
                "from_slope": one.from_slope,
                "slabs": [
                    {
                        "thickness": slab.thickness,
                        "num_atoms": slab.num_atoms,
                        "area": slab.area,
                        "surface_energy": slab.energy,
                        "unrelaxed": slab.unrelaxed,
                        "energy": slab.total,
                        "converged": slab.converged,
                    }
                    for slab in one.slabs
                ],
            }
            for one in result.surfaces
        ],
        "notices": result.notices,
    }


def write_structures(result: Surfaces, file: Path) -> None:
    """Write the thickest relaxed slab of each surface as extended XYZ."""
    frames = []
    for one in result.surfaces:
        frames.append(one.slabs[-1].atoms.copy())
        frames[-1].info |= {
            "miller": " ".join(map(str, one.miller)),
            "termination": one.termination,
        }
    property_page.write_structures(frames, file)


def sections(result: Surfaces) -> list[Section]:
    """Return the sections of the page: energies against the thickness of the slabs, and a table."""
    return [
        Section(
            anchor="energies",
            title="Surface energies",
            lead="Miller indices are those of the conventional cell. Slabs have the "
            "composition of the crystal and its lattice vectors in the plane.",
            views=[Figures([_plot(result)]), _table(result)],
        )
    ]


def _plot(result: Surfaces) -> Plot:
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for index, one in enumerate(result.surfaces):
            named = index < _NAMED
            axes.plot(
                [slab.thickness for slab in one.slabs],
                [slab.energy for slab in one.slabs],
                "o-",
                color=_COLOURS[index] if named else svg.MUTED,
                alpha=1.0 if named else 0.4,
                markersize=4.5,
                label=f"({' '.join(map(str, one.miller))})" if named else None,
            )
        label_axes(axes, "Thickness of the slab (Å)", "Surface energy (J/m²)", ticks=(6, 6))
        legend_above(axes)
        lowest = "; ".join(f"{name_of(one)}: {one.energy:z.3f}" for one in result.surfaces[:_NAMED])
        text = (
            f"Energies of {counted(len(result.surfaces), 'surface')} against the thickness of "
            f"their slabs. The lowest, in J/m²: {lowest}."
        )
        return Plot("Against the thickness", svg.to_svg(figure, text), text)


def _table(result: Surfaces) -> Sheet:
    columns = [
        Column(key="surface", title="Surface", facet=True),
        Column(key="thickness", title="Thickness", unit="Å", numeric=True),
        Column(key="atoms", title="Atoms", numeric=True),
        Column(key="energy", title="Energy", unit="J/m²", numeric=True, strong=True),
        Column(key="gain", title="Gained by relaxing", unit="J/m²", numeric=True),
        Column(key="faces", title="Faces"),
        Column(key="relaxed", title="Relaxed"),
    ]
    rows = []
    for one in result.surfaces:
        for slab in one.slabs:
            gain = slab.unrelaxed - slab.energy
            rows.append(
                {
                    "surface": Value(name_of(one)),
                    "thickness": Value(f"{slab.thickness:z.2f}", order=slab.thickness),
                    "atoms": Value(str(slab.num_atoms), order=slab.num_atoms),
                    "energy": Value(f"{slab.energy:z.4f}", order=slab.energy),
                    "gain": Value(f"{gain:z.4f}", order=gain),
                    "faces": Value("alike" if one.alike else "two"),
                    "relaxed": Value("yes" if slab.converged else "forces left"),
                }
            )
    return Sheet(caption="Surfaces and slabs", columns=columns, rows=rows)
