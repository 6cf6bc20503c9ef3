"""The page of an evaluation: metrics, faults, distributions, pictures, list and method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from matsciml_core.data.symmetry.orbits import space_group_symbol
from matsciml_core.errors import ConfigError
from matsciml_core.files import write_json, write_whole
from matsciml_tool_generate import figures
from matsciml_tool_generate.coverage import CUTOFFS
from matsciml_tool_generate.evaluation import Evaluation
from matsciml_tool_generate.metrics_table import SHARE, Metric, published
from matsciml_tool_generate.structure_validity import SHORTEST_DISTANCE, SMALLEST_VOLUME
from matsciml_tool_generate.validity import SYMPREC, Validity
from matsciml_util_pages import numbers, page_shell
from matsciml_util_pages.crystal_pictures import picture
from matsciml_util_pages.numbers import ABSENT, count, percent, quantity
from matsciml_util_pages.plots import Plot
from matsciml_util_pages.views import Fact, facts

METRICS, PAGE = "metrics.json", "report.html"
_PACKAGE = "matsciml_tool_generate"
MAX_PICTURES = 60
MAX_ROWS = 2000
"""Crystals in the list; the JSON has all."""


@dataclass(frozen=True)
class Entry:
    """An entry of the list: its text, and the key by which it is sorted."""

    text: str
    key: str

    @classmethod
    def of(cls, value: float | None, text: str | None = None) -> Entry:
        """Return the entry of a number; None: it is not known, and is sorted last."""
        if value is None:
            return cls(ABSENT, "")
        return cls(numbers.number(value) if text is None else text, repr(float(value)))


def write_results(evaluation: Evaluation, folder: Path) -> None:
    """Write ``metrics.json`` and ``report.html``, each whole or not at all.

    Args:
        evaluation: The evaluation.
        folder: Their folder, which is made where it does not exist.

    Raises:
        ConfigError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / METRICS, evaluation.as_data())
        write_whole(folder / PAGE, render(evaluation).encode())
    except OSError as error:
        raise ConfigError(
            f"The folder '{folder}' cannot be written ({error.strerror}); name another with "
            "--output."
        ) from error


def render(evaluation: Evaluation) -> str:
    """Return the page of an evaluation."""
    sets = evaluation.settings.published_sets
    context = {
        "title": evaluation.names.get("generated", "generated crystals"),
        "reference": evaluation.names.get("reference", "the reference"),
        "sizes": {name: count(size) for name, size in evaluation.sizes.items()},
        "published": [published()[name]["title"] for name in sets],
        "metrics": [
            {
                "title": metric.title,
                "value": metric_text(metric, metric.value),
                "reference": metric_text(metric, metric.reference) or ABSENT,
                "published": [
                    metric_text(metric, metric.published.get(name)) or ABSENT for name in sets
                ],
                "note": metric.note,
            }
            for metric in evaluation.metrics
        ],
        "figures": _figures(evaluation),
        "pictures": list(islice(_pictures(evaluation), MAX_PICTURES)),
        "columns": list(_columns(evaluation)),
        "rows": [
            [*_columns(evaluation, index).values()]
            for index in range(len(evaluation.validities[:MAX_ROWS]))
        ],
        "max_rows": MAX_ROWS,
        "faults": [(name, count(size)) for name, size in evaluation.faults.items()],
        "rejected": [(name, count(size)) for name, size in evaluation.rejected.items()],
        "method": _method(evaluation),
    }
    return page_shell.fill_page(
        f"{_PACKAGE}/assets/crystals.html.j2",
        context,
        styles=[page_shell.read_asset(_PACKAGE, "crystals.css")],
        scripts=[page_shell.read_asset(_PACKAGE, "crystals.js")],
    )


def metric_text(metric: Metric, value: float | None) -> str:
    """Return a value of a metric with its unit; empty where there is no value."""
    if value is None:
        return ""
    if metric.unit != SHARE:
        return quantity(value, metric.unit)
    return percent(value) if value == value else quantity(value, "")  # NaN is not a share


def _figures(evaluation: Evaluation) -> list[Plot]:
    """Return the distributions of valid crystals and reference; none where either is empty."""
    samples = [evaluation.validities[index] for index in evaluation.valid], evaluation.reference
    densities = [[one.density for one in some if one.density is not None] for some in samples]
    if not all(densities):
        return []
    return [
        figures.distribution("Density", "g/cm³", *densities),
        figures.counts("Number of elements", *([one.elements for one in some] for some in samples)),
        figures.counts("Atoms in the cell", *([one.atoms for one in some] for some in samples)),
    ]


def _pictures(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield pictures of the crystals, valid ones first."""
    invalid = set(range(len(evaluation.validities))) - set(evaluation.valid)
    for index in (*evaluation.valid, *sorted(invalid)):
        crystal, validity = evaluation.generated[index].crystal, evaluation.validities[index]
        # Symmetry is searched in cells that one can make sense of, and a picture is of those.
        if crystal is None or not validity.space_group:
            continue
        svg = picture(crystal)
        if svg is not None:
            yield {
                "svg": svg,
                "formula": validity.formula,
                "group": _space_group(validity),
                "volume": quantity(validity.volume_per_atom, "Å³/atom"),
                "fault": validity.reason,
                "id": validity.name,
            }


def _columns(evaluation: Evaluation, index: int | None = None) -> dict[str, Entry]:
    """Return the columns of the list with the entries of one crystal; None: of an empty one."""
    one = Validity(name="") if index is None else evaluation.validities[index]
    columns = {
        "Crystal": Entry(one.name, one.name),
        "Formula": Entry(one.formula or ABSENT, one.formula),
        "Atoms": Entry.of(one.atoms, str(one.atoms)),
        "Space group": Entry.of(one.space_group, _space_group(one)),
        "Volume (Å³/atom)": Entry.of(one.volume_per_atom),
        "Density (g/cm³)": Entry.of(one.density),
        "Shortest distance (Å)": Entry.of(one.shortest_distance),
    }
    if evaluation.stability is not None:
        above = None if index is None else evaluation.above_hull(index)
        columns["Above hull (eV/atom)"] = Entry.of(above)
    # A space sorts the valid crystals before all faults.
    columns["Validity"] = Entry(one.reason or "valid", one.reason or " valid")
    return columns


def _space_group(validity: Validity) -> str:
    number = validity.space_group
    return ABSENT if number is None else f"{space_group_symbol(number)} ({number})"


def _method(evaluation: Evaluation) -> list[Fact]:
    """Return the definitions and tolerances behind the numbers."""
    settings, cutoffs = evaluation.settings, CUTOFFS[evaluation.settings.cutoffs]
    entries: list[Fact | tuple[str, object]] = [
        (
            "Structure validity",
            f"atoms more than {SHORTEST_DISTANCE} Å apart, images included; cell of at least "
            f"{SMALLEST_VOLUME} Å³",
        ),
        (
            "Composition validity",
            f"neutral charges with cations less electronegative than anions; oxidation states "
            f"{settings.oxidation_states}",
        ),
        (
            "Coverage",
            f"structure fingerprints within {cutoffs.structure:g}, composition fingerprints "
            f"within {cutoffs.composition:g}"
            if settings.fingerprints
            else "not computed",
        ),
        ("Uniqueness and novelty", "pymatgen's StructureMatcher, default tolerances"),
        ("Space groups", f"moyo, tolerance {SYMPREC} Å"),
        Fact("Reference", evaluation.names.get("reference", ""), code=True),
        Fact("Training set", evaluation.names.get("training", ""), code=True),
    ]
    stable = evaluation.stability
    if stable is not None:
        entries += [
            ("Stability", f"at most {stable.cutoff:g} eV/atom above the hull, unrelaxed"),
            ("On or below the hull", percent(stable.on_hull)),
            ("Hull", f"{stable.label} of {stable.reference}, {stable.reference_size:,} crystals"),
            ("Distance known for", f"{stable.evaluated:,} of {stable.total:,} crystals"),
            Fact("Energy model", stable.model, code=True),
        ]
    return facts(*entries)
