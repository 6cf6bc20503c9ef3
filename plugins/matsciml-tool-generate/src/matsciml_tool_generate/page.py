"""The page: table, pictures, list, and how it was judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.data.symmetry.orbits import space_group_symbol
from matsciml_tool_generate import figures
from matsciml_tool_generate.coverage import CUTOFFS
from matsciml_tool_generate.evaluation import Evaluation, fault_of
from matsciml_tool_generate.metrics_table import SHARE, Metric, published
from matsciml_tool_generate.structure_validity import SHORTEST_DISTANCE, SMALLEST_VOLUME
from matsciml_tool_generate.validity import SYMPREC, Validity
from matsciml_util_pages import numbers, page_shell
from matsciml_util_pages.crystal_pictures import picture
from matsciml_util_pages.numbers import ABSENT, count, percent, quantity
from matsciml_util_pages.plots import Plot
from matsciml_util_pages.views import Fact, facts

_PACKAGE = "matsciml_tool_generate"
MOST_PICTURES = 60
MOST_ROWS = 2000
"""Crystals in the list; the JSON has all."""


@dataclass(frozen=True)
class Cell:
    """A cell of the list: what is read, and what it is sorted by."""

    text: str
    key: str


def write_page(found: Evaluation, path: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        found: What was measured.
        path: The HTML file.
    """
    part = path.with_name(f"{path.name}.part")
    part.write_text(render(found), encoding="utf-8")
    part.replace(path)


def render(found: Evaluation) -> str:
    """Return the page of an evaluation."""
    context = {
        "title": found.names.get("generated", "generated crystals"),
        "reference": found.names.get("reference", "the reference"),
        "sizes": {name: count(size) for name, size in found.sizes.items()},
        "published": [published()[name]["title"] for name in found.settings.beside],
        "metrics": [_metric(one, found.settings.beside) for one in found.metrics],
        "figures": _figures(found),
        "pictures": _pictures(found),
        "columns": _columns(found),
        "rows": _rows(found),
        "most": MOST_ROWS,
        "faults": [(name, count(size)) for name, size in found.faults.items()],
        "rejected": [(name, count(size)) for name, size in found.rejected.items()],
        "method": _method(found),
    }
    return page_shell.render(
        page_shell.read_asset(_PACKAGE, "crystals.html.j2"),
        context,
        styles=[page_shell.read_asset(_PACKAGE, "crystals.css")],
        scripts=[page_shell.read_asset(_PACKAGE, "crystals.js")],
    )


def shown(one: Metric, value: float | None) -> str:
    """Return a value of the table as a person reads it."""
    if value is None:
        return ""
    return percent(value) if one.unit == SHARE and value == value else quantity(value, _unit(one))


def _unit(one: Metric) -> str:
    return "" if one.unit == SHARE else one.unit


def _metric(one: Metric, beside: Sequence[str]) -> dict[str, Any]:
    return {
        "title": one.title,
        "value": shown(one, one.value),
        "reference": shown(one, one.reference) or ABSENT,
        "published": [shown(one, one.published.get(name)) or ABSENT for name in beside],
        "note": one.note,
    }


def _figures(found: Evaluation) -> list[Plot]:
    valid = [found.validities[place] for place in found.valid]
    drawn = []
    density = [
        [one.density for one in some if one.density is not None]
        for some in (valid, found.reference)
    ]
    if all(density):
        drawn.append(figures.distribution("Density", "g/cm³", *density))
        elements = [[one.elements for one in some] for some in (valid, found.reference)]
        drawn.append(figures.counts("Number of elements", *elements))
        atoms = [[one.atoms for one in some] for some in (valid, found.reference)]
        drawn.append(figures.counts("Atoms in the cell", *atoms))
    return drawn


def _pictures(found: Evaluation) -> list[dict[str, Any]]:
    """Return pictures of the first crystals, valid ones first."""
    places = [*found.valid, *(set(range(len(found.validities))) - set(found.valid))]
    made: list[dict[str, Any]] = []
    for place in places:
        crystal, one = found.generated[place].crystal, found.validities[place]
        drawn = picture(crystal) if crystal is not None and one.space_group else None
        if drawn is not None:
            made.append(
                {
                    "svg": drawn,
                    "formula": one.formula,
                    "group": _group(one),
                    "volume": quantity(one.volume_per_atom, "Å³/atom"),
                    "fault": fault_of(one),
                    "id": one.name,
                }
            )
        if len(made) == MOST_PICTURES:
            break
    return made


def _columns(found: Evaluation) -> list[str]:
    columns = ["Crystal", "Formula", "Atoms", "Space group", "Volume (Å³/atom)"]
    columns += ["Density (g/cm³)", "Shortest distance (Å)"]
    if found.stability is not None:
        columns.append("Above hull (eV/atom)")
    return [*columns, "Validity"]


def _rows(found: Evaluation) -> list[list[Cell]]:
    return [_row(found, place, one) for place, one in enumerate(found.validities[:MOST_ROWS])]


def _row(found: Evaluation, place: int, one: Validity) -> list[Cell]:
    cells = [
        Cell(one.name, one.name),
        Cell(one.formula or ABSENT, one.formula),
        _number(one.atoms, str(one.atoms)),
        _number(one.space_group, _group(one)),
        _number(one.volume_per_atom),
        _number(one.density),
        _number(one.shortest_distance),
    ]
    if found.stability is not None:
        cells.append(_number(found.above_hull(place)))
    fault = fault_of(one)
    return [*cells, Cell(fault or "valid", fault or " valid")]


def _number(value: float | None, text: str | None = None) -> Cell:
    if value is None:
        return Cell(ABSENT, "")
    return Cell(numbers.number(value) if text is None else text, repr(float(value)))


def _group(one: Validity) -> str:
    number = one.space_group
    return ABSENT if number is None else f"{space_group_symbol(number)} ({number})"


def _method(found: Evaluation) -> list[Fact]:
    settings, cutoffs = found.settings, CUTOFFS[found.settings.cutoffs]
    return facts(
        (
            "Structure validity",
            f"atoms more than {SHORTEST_DISTANCE} Å apart, images included; cell of at least "
            f"{SMALLEST_VOLUME} Å³",
        ),
        (
            "Composition validity",
            f"neutral charges with cations less electronegative than anions; oxidation states "
            f"{settings.table}",
        ),
        (
            "Coverage",
            f"structure fingerprints within {cutoffs.structure:g}, composition fingerprints "
            f"within {cutoffs.composition:g}"
            if settings.fingerprints
            else "not computed",
        ),
        ("Duplicates", "pymatgen's StructureMatcher, default tolerances"),
        ("Space groups", f"moyo, tolerance {SYMPREC} Å"),
        Fact("Reference", found.names.get("reference", ""), code=True),
        Fact("Training set", found.names.get("training", ""), code=True),
        *_stability_facts(found),
    )


def _stability_facts(found: Evaluation) -> list[Fact | tuple[str, object]]:
    one = found.stability
    if one is None:
        return []
    return [
        ("Stability", f"at most {one.cutoff:g} eV/atom above the hull, unrelaxed"),
        ("On or below the hull", percent(one.on_hull)),
        ("Hull", f"{one.label} of {one.reference}, {one.reference_size:,} crystals"),
        ("Distance known for", f"{one.known:,} of {one.asked:,} crystals"),
        Fact("Energy model", one.model, code=True),
    ]
