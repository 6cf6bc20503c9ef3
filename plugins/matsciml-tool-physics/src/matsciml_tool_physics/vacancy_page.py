"""Vacancies as numbers, a table and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matsciml_tool_physics import property_page
from matsciml_tool_physics.inputs import Computation
from matsciml_tool_physics.vacancies import Vacancies
from matsciml_util_pages import svg
from matsciml_util_pages.pages import Section
from matsciml_util_pages.plots import Figures, Plot, few_ticks, legend_above
from matsciml_util_pages.sheets import Column, Sheet, Value

EYEBROW = "Vacancies"

_COLOURS = (svg.MODEL, svg.SECOND, svg.BASELINE)


def summary(result: Vacancies) -> list[tuple[str, str]]:
    """Return names and values of what was computed."""
    rows = []
    for item in result.vacancies:
        last, energies = item.supercells[-1], item.energies
        parts = [f"{last.difference if energies is None else energies[-1]:z.4f} eV"]
        if energies is None:
            parts[0] += f" minus the crystal, μ({item.element}) to be added"
        parts.append(f"{last.num_atoms} atoms")
        if item.change is not None:
            parts.append(f"{item.change:+z.4f} eV from the supercell before")
        if item.infinite is not None:
            parts.append(f"{item.infinite:z.4f} eV extrapolated")
        name = f"Vacancy of {item.element} (site {item.site + 1}, {item.multiplicity} alike)"
        rows.append((name, ", ".join(parts)))
    return rows


def records(result: Vacancies) -> list[dict[str, Any]]:
    """Return one row per site and supercell."""
    return [
        {
            "site": item.site + 1,
            "element": item.element,
            "multiplicity": item.multiplicity,
            "cells": "x".join(map(str, one.cells)),
            "atoms": one.num_atoms,
            "formation_eV": None if item.potential is None else one.difference + item.potential,
            "minus_crystal_eV": one.difference,
            "unrelaxed_minus_crystal_eV": one.unrelaxed,
            "converged": one.converged,
        }
        for item in result.vacancies
        for one in item.supercells
    ]


def as_data(result: Vacancies, computation: Computation) -> dict[str, Any]:
    """Return everything that was computed, as JSON has it."""
    return computation.as_data() | {
        "property": "vacancy formation energies",
        "units": {
            "energy": "eV",
            "potential": "eV",
            "formation": "eV",
            "minus_crystal": "eV",
            "gain": "eV",
        },
        "num_atoms": result.num_atoms,
        "energy": result.energy,
        "gain": result.gain,
        "vacancies": [
            {
                "site": item.site + 1,
                "element": item.element,
                "multiplicity": item.multiplicity,
                "potential": item.potential,
                "formation": None if item.energies is None else item.energies[-1],
                "extrapolated": item.infinite,
                "supercells": [
                    {
                        "cells": list(one.cells),
                        "num_atoms": one.num_atoms,
                        "minus_crystal": one.difference,
                        "unrelaxed_minus_crystal": one.unrelaxed,
                        "converged": one.converged,
                    }
                    for one in item.supercells
                ],
            }
            for item in result.vacancies
        ],
        "notices": result.notices,
    }


def write_structures(result: Vacancies, file: Path) -> None:
    """Write the largest relaxed supercell of each vacancy as extended XYZ."""
    frames = []
    for item in result.vacancies:
        frames.append(item.supercells[-1].atoms.copy())
        frames[-1].info["vacancy"] = f"{item.element}{item.site + 1}"
    property_page.write_structures(frames, file)


def sections(result: Vacancies) -> list[Section]:
    """Return the sections of the page: energies against the size of the supercell, and a table."""
    return [
        Section(
            anchor="energies",
            title="Formation energies",
            lead="Neutral vacancies at the volume of the perfect crystal, one on each site "
            "that is distinct by symmetry.",
            views=[Figures([_plot(result)]), _table(result)],
        )
    ]


def _plot(result: Vacancies) -> Plot:
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        said = []
        for index, item in enumerate(result.vacancies):
            differences = [one.difference for one in item.supercells]
            values = item.energies or differences
            sizes = [one.num_atoms for one in item.supercells]
            label = f"{item.element}, site {item.site + 1}"
            axes.plot(sizes, values, "o-", color=_COLOURS[index % len(_COLOURS)], markersize=4.5,
                      label=label)  # fmt: skip
            said.append(f"{label}: {', '.join(f'{value:z.3f}' for value in values)}")
        axes.set_xscale("log")
        sizes = sorted({one.num_atoms for item in result.vacancies for one in item.supercells})
        axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("Atoms of the supercell")
        known = all(item.potential is not None for item in result.vacancies)
        axes.set_ylabel("Formation energy (eV)" if known else "Energy (eV)")
        few_ticks(axes.yaxis, 6)
        if len(result.vacancies) <= len(_COLOURS):
            legend_above(axes)
        text = f"Energies in eV by rising supercell. {'; '.join(said)}."
        return Plot("Against the size of the supercell", svg.to_svg(figure, text), text)


def _table(result: Vacancies) -> Sheet:
    columns = [
        Column(key="site", title="Site", facet=True),
        Column(key="cells", title="Supercell"),
        Column(key="atoms", title="Atoms", numeric=True),
        Column(key="formation", title="Formation", unit="eV", numeric=True, strong=True),
        Column(key="difference", title="Minus crystal", unit="eV", numeric=True,
               meaning="Energy with the vacancy minus that of the perfect supercell"),
        Column(key="gain", title="Gained by relaxing", unit="eV", numeric=True),
        Column(key="relaxed", title="Relaxed"),
    ]  # fmt: skip
    rows = []
    for item in result.vacancies:
        for one in item.supercells:
            formation = None if item.potential is None else one.difference + item.potential
            rows.append(
                {
                    "site": Value(f"{item.element} {item.site + 1}"),
                    "cells": Value(" x ".join(map(str, one.cells)), order=one.num_atoms),
                    "atoms": Value(str(one.num_atoms), order=one.num_atoms),
                    "formation": Value(
                        "" if formation is None else f"{formation:z.4f}", order=formation
                    ),
                    "difference": Value(f"{one.difference:z.4f}", order=one.difference),
                    "gain": Value(
                        f"{one.unrelaxed - one.difference:z.4f}",
                        order=one.unrelaxed - one.difference,
                    ),
                    "relaxed": Value("yes" if one.converged else "forces left"),
                }
            )
    return Sheet(caption="Sites and supercells", columns=columns, rows=rows)
