"""Phonons as numbers, tables and a page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from matsciml_tool_physics.inputs import Computation
from matsciml_tool_physics.phonon_spectrum import Phonons
from matsciml_util_pages import svg
from matsciml_util_pages.pages import Section
from matsciml_util_pages.plots import Figures, Plot, few_ticks, label_axes, legend_above
from matsciml_util_pages.views import Table

EYEBROW = "Phonons"

_ROOM = 300.0
"""Room temperature of the summary, K."""


def summary(result: Phonons) -> list[tuple[str, str]]:
    """Return names and values of what was computed."""
    main = result.main
    room = int(np.argmin(np.abs(main.temperatures - _ROOM)))
    temperature = f"{main.temperatures[room]:g} K"
    cells = "×".join(map(str, result.supercell))
    highest = max(float(bands.max()) for bands in main.bands)
    rows = [
        ("Supercell", f"{cells}, {result.supercell_atoms} atoms"),
        ("Supercells computed", f"{result.num_displacements} for each displacement"),
        ("Displacement", f"{main.displacement:g} Å"),
        ("Highest frequency", f"{highest:z.3f} THz"),
        ("Lowest frequency", f"{main.lowest:z.3f} THz on the mesh"),
        ("Imaginary modes", _imaginary(result)),
        ("Free energy", f"{main.free_energy[room]:z.5f} eV/atom at {temperature}"),
        ("Heat capacity", f"{1e3 * main.heat_capacity[room]:z.5f} meV/K/atom at {temperature}"),
        ("Acoustic at Γ", f"{main.acoustic:z.4f} THz before the sum rule"),
    ]
    rows += [
        (f"At {one.displacement:g} Å", f"frequencies differ by up to {difference:z.3f} THz")
        for one, difference in zip(result.spectra[:-1], result.differences[:-1], strict=True)
    ]
    return rows


def records(result: Phonons) -> list[dict[str, Any]]:
    """Return one row per point of the path and branch."""
    rows = []
    for index, segment in enumerate(result.path):
        name = f"{segment.start}-{segment.end}"
        for point, (q, distance) in enumerate(zip(segment.q, segment.distance, strict=True)):
            rows += [
                {
                    "segment": name,
                    "q1": float(q[0]),
                    "q2": float(q[1]),
                    "q3": float(q[2]),
                    "distance_per_A": float(distance),
                    "branch": branch + 1,
                    **{
                        f"THz_at_{one.displacement:g}_A": float(one.bands[index][point, branch])
                        for one in result.spectra
                    },
                }
                for branch in range(3 * result.num_atoms)
            ]
    return rows


def as_data(result: Phonons, computation: Computation) -> dict[str, Any]:
    """Return everything but the bands, which are in the CSV file, as JSON has it."""
    return computation.as_data() | {
        "property": "phonons",
        "units": {
            "frequency": "THz",
            "displacement": "Å",
            "temperature": "K",
            "free_energy": "eV/atom",
            "entropy": "eV/K/atom",
            "heat_capacity": "eV/K/atom",
            "density_of_states": "1/THz per primitive cell",
        },
        "num_atoms": result.num_atoms,
        "supercell": list(result.supercell),
        "supercell_atoms": result.supercell_atoms,
        "num_displacements": result.num_displacements,
        "largest_force": result.largest_force,
        "imaginary": [asdict(mode) for mode in result.imaginary],
        "spectra": [
            {
                "displacement": one.displacement,
                "largest_difference": float(difference),
                "acoustic": one.acoustic,
                "lowest": one.lowest,
                "density_of_states": {
                    "frequency": one.dos[0].tolist(),
                    "states": one.dos[1].tolist(),
                },
                "temperature": one.temperatures.tolist(),
                "free_energy": one.free_energy.tolist(),
                "entropy": one.entropy.tolist(),
                "heat_capacity": one.heat_capacity.tolist(),
            }
            for one, difference in zip(result.spectra, result.differences, strict=True)
        ],
        "notices": result.notices,
    }


def sections(result: Phonons) -> list[Section]:
    """Return the sections of the page: bands, density of states, free energy, imaginary modes."""
    displacements = Table(
        caption="By displacement",
        columns=["Displacement (Å)", "Largest difference (THz)", "Lowest (THz)", "Γ (THz)"],
        rows=[
            (
                f"{one.displacement:g}",
                f"{difference:z.3f}",
                f"{one.lowest:z.3f}",
                f"{one.acoustic:z.4f}",
            )
            for one, difference in zip(result.spectra, result.differences, strict=True)
        ],
        note="Differences to the largest displacement along the path; acoustic modes at Γ before "
        "the sum rule is enforced. Longitudinal and transverse optic modes do not split at Γ: a "
        "force model has no charges.",
    )
    imaginary = Table(
        caption="Imaginary modes at named points",
        columns=["Point", "q", "Branch", "Frequency (THz)"],
        rows=[
            (
                mode.point,
                " ".join(f"{x:zg}" for x in mode.q),
                str(mode.branch),
                f"{mode.frequency:z.3f}",
            )
            for mode in result.imaginary
        ],
    )
    main = result.main
    thermal = Table(
        caption="Thermal properties",
        columns=["T (K)", "F (eV/atom)", "S (meV/K/atom)", "C (meV/K/atom)"],
        rows=[
            (f"{t:g}", f"{f:z.5f}", f"{1e3 * s:z.5f}", f"{1e3 * c:z.5f}")
            for t, f, s, c in zip(
                main.temperatures, main.free_energy, main.entropy, main.heat_capacity, strict=True
            )
        ],
    )
    views = [displacements, *([imaginary] if result.imaginary else [])]
    return [
        Section(
            anchor="bands",
            title="Bands",
            lead="Imaginary frequencies are shown below zero.",
            views=[Figures([_bands(result), _dos(result)]), *views],
        ),
        Section(
            anchor="heat",
            title="Free energy",
            lead="Of the vibrations, without imaginary modes.",
            views=[Figures([_free_energy(result)]), thermal],
        ),
    ]


def _styles(result: Phonons) -> list[dict[str, Any]]:
    """Return how each spectrum is drawn: the main one solid, others dashed above it."""
    others = {"color": svg.SECOND, "linestyle": svg.DASHED, "linewidth": 1.0, "zorder": 3}
    return [*(others for _ in result.spectra[:-1]), {"color": svg.MODEL, "linewidth": 1.4}]


def _bands(result: Phonons) -> Plot:
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for spectrum, style in zip(result.spectra, _styles(result), strict=True):
            for index, segment in enumerate(result.path):
                lines = axes.plot(segment.distance, spectrum.bands[index], **style)
                if not index:
                    lines[0].set_label(f"{spectrum.displacement:g} Å")
        ticks, names = [result.path[0].distance[0]], [result.path[0].start]
        for before, after in zip(result.path, [*result.path[1:], None], strict=True):
            broken = after is not None and after.start != before.end
            ticks.append(before.distance[-1])
            names.append(f"{before.end}|{after.start}" if after and broken else before.end)
        axes.set_xticks(ticks, [name.replace("G", "Γ") for name in names])
        axes.set_xlim(ticks[0], ticks[-1])
        axes.axhline(0, color=svg.MUTED, linewidth=0.8)
        axes.set_ylabel("Frequency (THz)")
        few_ticks(axes.yaxis, 6)
        legend_above(axes)
        text = (
            f"Phonons of {result.formula} along the standard path, by displacements of "
            f"{', '.join(f'{one.displacement:g}' for one in result.spectra)} Å."
        )
        return Plot("Bands", svg.to_svg(figure, text), text)


def _dos(result: Phonons) -> Plot:
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for spectrum, style in zip(result.spectra, _styles(result), strict=True):
            axes.plot(*spectrum.dos, label=f"{spectrum.displacement:g} Å", **style)
        label_axes(axes, "Frequency (THz)", "States per cell and THz", ticks=(6, 5))
        legend_above(axes)
        text = f"Density of states of {result.formula}, {3 * result.num_atoms} per primitive cell."
        return Plot("Density of states", svg.to_svg(figure, text), text)


def _free_energy(result: Phonons) -> Plot:
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        for spectrum, style in zip(result.spectra, _styles(result), strict=True):
            label = f"{spectrum.displacement:g} Å"
            axes.plot(spectrum.temperatures, 1e3 * spectrum.free_energy, label=label, **style)
        label_axes(axes, "Temperature (K)", "Free energy (meV/atom)")
        legend_above(axes)
        text = f"Helmholtz energy of the vibrations of {result.formula}."
        return Plot("Free energy", svg.to_svg(figure, text), text)


def _imaginary(result: Phonons) -> str:
    if result.imaginary:
        return ", ".join(
            f"{mode.frequency:z.3f} THz at {mode.point}" for mode in result.imaginary[:4]
        )
    return "none at named points"
