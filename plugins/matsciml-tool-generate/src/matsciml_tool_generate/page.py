"""The page of an evaluation: metrics, faults, distributions, pictures, method and list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

from markupsafe import Markup

from matsciml_core.data.symmetry.orbits import space_group_symbol
from matsciml_core.errors import ConfigError
from matsciml_core.files import write_json
from matsciml_tool_generate import figures
from matsciml_tool_generate.coverage import CUTOFFS
from matsciml_tool_generate.evaluation import Evaluation
from matsciml_tool_generate.metrics_table import SHARE, Metric, published
from matsciml_tool_generate.structure_validity import SHORTEST_DISTANCE, SMALLEST_VOLUME
from matsciml_tool_generate.validity import SYMPREC, Validity
from matsciml_util_pages.crystal_pictures import picture
from matsciml_util_pages.numbers import ABSENT, count, percent, quantity
from matsciml_util_pages.pages import Page, Section, write_page
from matsciml_util_pages.plots import Figures
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value
from matsciml_util_pages.views import Absent, Fact, Facts, Table, Tables, View, facts

METRICS, PAGE = "metrics.json", "report.html"
MAX_PICTURES = 60
MAX_ROWS = 2000
"""Crystals in the list; the JSON has all."""
_COLUMNS = (
    Column(key="id", title="Crystal"),
    Column(key="formula", title="Formula"),
    Column(key="atoms", title="Atoms", numeric=True),
    Column(key="space_group", title="Space group", numeric=True),
    Column(key="volume", title="Volume", unit="Å³/atom", numeric=True),
    Column(key="density", title="Density", unit="g/cm³", numeric=True),
    Column(key="distance", title="Shortest distance", unit="Å", numeric=True),
    Column(key="above_hull", title="Above hull", unit="eV/atom", numeric=True),
    Column(key="validity", title="Validity", facet=True),
)


@dataclass(frozen=True)
class Picture:
    """A picture of a crystal, and what stands below it."""

    svg: Markup
    formula: str
    details: Sequence[str]


@dataclass(frozen=True)
class Pictures(View):
    """Pictures side by side."""

    template: ClassVar[str] = "matsciml_tool_generate/assets/pictures.html.j2"

    pictures: Sequence[Picture]


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
        write_page(evaluation_page(evaluation), folder / PAGE)
    except OSError as error:
        raise ConfigError(
            f"The folder '{folder}' cannot be written ({error.strerror}); name another with "
            "--output."
        ) from error


def evaluation_page(evaluation: Evaluation) -> Page:
    """Return the page of an evaluation."""
    sizes = {name: count(size) for name, size in evaluation.sizes.items()}
    reference = evaluation.names.get("reference", "the reference")
    pictures = list(islice(_pictures(evaluation), MAX_PICTURES))
    return Page(
        eyebrow="Generated crystals, evaluated by MatSciML",
        title=evaluation.names.get("generated", "generated crystals"),
        site="generated crystals",
        lead=f"{sizes['generated']} generated crystals beside {sizes['reference']} of {reference}.",
        sections=[
            Section(anchor="metrics", title="Metrics", views=[_metrics(evaluation)]),
            Section(anchor="faults", title="Faults", views=[_faults(evaluation)]),
            Section(anchor="distributions", title="Distributions", views=[_figures(evaluation)]),
            Section(
                anchor="pictures",
                title="Pictures",
                lead="Valid crystals come first. Atoms on a face of the cell are shown on both "
                "sides; colours are those of Jmol.",
                views=[
                    Pictures(pictures)
                    if pictures
                    else Absent("No generated crystal can be pictured.")
                ],
            ),
            Section(anchor="method", title="Method", views=[Facts(_method(evaluation))]),
            # The list comes last, since it may have thousands of rows.
            Section(
                anchor="list",
                title="List",
                lead=f"At most {MAX_ROWS:,} crystals are listed; {METRICS} has all of them.",
                views=[_list(evaluation)],
            ),
        ],
    )


def metric_text(metric: Metric, value: float | None) -> str:
    """Return a value of a metric with its unit; empty where there is no value."""
    if value is None:
        return ""
    if metric.unit != SHARE:
        return quantity(value, metric.unit)
    return percent(value) if value == value else quantity(value, "")  # NaN is not a share


def _metrics(evaluation: Evaluation) -> Table:
    """Return the metrics, beside those of the reference itself and the published ones."""
    sets = evaluation.settings.published_sets
    rows = []
    for metric in evaluation.metrics:
        values = evaluation.values(metric)
        rows.append([metric.title, *(metric_text(metric, value) or ABSENT for value in values)])
    # Below the table: a column of sentences would push the published numbers out of sight.
    notes = [f"{metric.title}: {metric.note}." for metric in evaluation.metrics if metric.note]
    titles = [title[:1].upper() + title[1:] for title in evaluation.baseline_titles]
    titles += [f"{published()[name]['title']}, published" for name in sets]
    return Table(
        caption="Metrics",
        columns=["Metric", "Generated", "Reference itself", *titles],
        rows=rows,
        strong=1,
        note=" ".join(
            [
                "Published numbers are of 10,000 crystals of the authors' model and their test "
                "set; they compare only as far as the data do.",
                *(note[:1].upper() + note[1:] for note in notes),
            ]
        ),
    )


def _faults(evaluation: Evaluation) -> View:
    """Return how many crystals are not valid, and how many were rejected, by reason."""
    tables = [
        Table(
            caption=caption,
            columns=["Reason", "Crystals"],
            rows=[[reason, count(size)] for reason, size in reasons.items()],
        )
        for caption, reasons in (
            ("Crystals that are not valid", evaluation.faults),
            ("Rejected by the sampler", evaluation.rejected),
        )
        if reasons
    ]
    return Tables(tables) if tables else Absent("Every crystal is valid.")


def _figures(evaluation: Evaluation) -> View:
    """Return the distributions of valid crystals and reference."""
    samples = [evaluation.validities[index] for index in evaluation.valid], evaluation.reference
    densities = [[v.density for v in some if v.density is not None] for some in samples]
    if not all(densities):  # a histogram needs a value of each set
        return Absent("No generated crystal is valid, so that there is nothing to plot.")
    return Figures(
        [
            figures.distribution("Density", "g/cm³", *densities),
            figures.counts("Number of elements", *([v.elements for v in some] for some in samples)),
            figures.counts("Atoms in the cell", *([v.atoms for v in some] for some in samples)),
        ]
    )


def _pictures(evaluation: Evaluation) -> Iterator[Picture]:
    """Yield pictures of the crystals, valid ones first."""
    invalid = set(range(len(evaluation.validities))) - set(evaluation.valid)
    for index in (*evaluation.valid, *sorted(invalid)):
        crystal, validity = evaluation.generated[index].crystal, evaluation.validities[index]
        # Cells in which no symmetry is searched are as good as empty, or full of atoms.
        if crystal is None or not validity.space_group:
            continue
        svg = picture(crystal)
        if svg is not None:
            volume = quantity(validity.volume_per_atom, "Å³/atom")
            details = [f"{_space_group(validity)}, {volume}", validity.reason]
            yield Picture(svg, validity.formula, [text for text in details if text])


def _list(evaluation: Evaluation) -> Sheet:
    """Return the crystals, to be searched, sorted, and filtered by validity."""
    rows = []
    for index, validity in enumerate(evaluation.validities[:MAX_ROWS]):
        group, fault = validity.space_group, validity.reason
        rows.append(
            {
                "id": Value(validity.name),
                "formula": Value(validity.formula or ABSENT),
                "atoms": Value(str(validity.atoms), validity.atoms),
                "space_group": Value(_space_group(validity), group, tone="" if group else "quiet"),
                "volume": number_value(validity.volume_per_atom),
                "density": number_value(validity.density),
                "distance": number_value(validity.shortest_distance),
                "above_hull": number_value(evaluation.above_hull(index)),
                "validity": Value(fault or "valid", tone="bad" if fault else "good"),
            }
        )
    hidden = {"above_hull"} if evaluation.stability is None else set()
    return Sheet(
        caption="Generated crystals",
        columns=[column for column in _COLUMNS if column.key not in hidden],
        rows=rows,
    )


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
    if evaluation.baselines:
        entries += [
            ("Real ones", "as many crystals of the training set, which are not novel therefore"),
            (
                "Without a model",
                "cubes of the training set's mean volume per atom; species and numbers of atoms "
                "by their shares, atoms anywhere",
            ),
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
