"""The section of data: for each dataset its origin, licence, split and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matsciml_util_pages.numbers import ABSENT, UNITLESS, count, number, percent, words
from matsciml_util_pages.run_files import RunFiles
from matsciml_util_pages.views import Absent, Fact, Facts, Heading, Table, Tables, View, facts


def data(run: RunFiles) -> list[View]:
    """Describe each dataset of a run."""
    views: list[View] = []
    for name in run.entry("datasets"):
        description, split = run.entry("datasets", name), run.entry("datasets", name, "split")
        entries = facts(
            ("Source", description.get("source")),
            ("Release", description.get("release")),
            ("Licence", description.get("licence")),
            ("Split", split.get("algorithm")),
            ("Seed of the split", count(split.get("seed"))),
            ("Weighted", _weighted(run.entry("datasets", name, "weights"))),
            Fact("Hash of the split (SHA-256)", str(split.get("hash") or ""), code=True),
            Fact(
                "Hash of the data (SHA-256)", str(description.get("content_hash") or ""), code=True
            ),
        )
        tables = [table for table in (_subsets(run, name), _labels(run, name)) if table.rows]
        views += [Heading(name), *card(entries, tables)]
    return views or [Absent("The run recorded no dataset.")]


def card(entries: list[Fact], tables: list[Table]) -> list[View]:
    """Return facts and tables side by side, or that there are neither."""
    views: list[View] = []
    if entries:
        views.append(Facts(entries))
    if tables:
        views.append(Tables(tables))
    return views or [Absent("The run recorded nothing here.")]


def _weighted(weights: Mapping[str, Any]) -> str | None:
    """Say which losses are weighted, and by what; None: none is."""
    if not weights:
        return None
    names = [*filter(None, [weights.get("sample_weight")]), *(weights.get("group_weights") or {})]
    both = weights.get("validation_loss")
    return (
        f"{'losses of training and validation' if both else 'training loss'}, by "
        f"{' and '.join(map(str, names))}: {number(weights.get('smallest'))} to "
        f"{number(weights.get('largest'))} times the mean; metrics are not"
    )


def _subsets(run: RunFiles, name: str) -> Table:
    sizes = run.entry("datasets", name, "split", "sizes")
    dropped = run.entry("datasets", name, "dropped")
    labels = " or ".join(words(label) for label in run.entry("datasets", name, "labels"))
    # Sizes are of labelled crystals; those that were dropped have no share.
    used = sum(size for size in sizes.values() if isinstance(size, int))
    rows = []
    for subset in dict.fromkeys([*sizes, *dropped]):
        size = sizes.get(subset)
        share = percent(size / used) if isinstance(size, int) and used else ABSENT
        rows.append([words(subset), count(size), share, count(dropped.get(subset))])
    return Table(
        caption="Who trains, validates and tests",
        columns=["Subset", "Crystals", "Share", "Left out"],
        rows=rows,
        note="Left out: crystals of the subset for which the source has no "
        f"{labels or 'label in use'}.",
    )


def _labels(run: RunFiles, name: str) -> Table:
    rows = []
    for label in run.entry("datasets", name, "labels"):
        info = run.entry("datasets", name, "labels", label)
        # Not read as a declaration: what this version does not know is shown all the same.
        unit, kind = str(info.get("unit") or ""), str(info.get("kind") or "")
        meaning = f"{kind[:1].upper()}{kind[1:]}. {info.get('description') or ''}"
        rows.append([label, "none" if unit in UNITLESS else unit, meaning])
    return Table(
        caption="Labels",
        columns=["Label", "Unit", "What it is"],
        rows=rows,
        numeric=False,
        identifiers=True,
    )
