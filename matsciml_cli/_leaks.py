"""What ``matsciml data leaks`` does once its flags are read."""

from __future__ import annotations

from collections.abc import Sequence

from matsciml_cli._data import SCHEMA, open_dataset
from matsciml_cli.console import Row, write_heading, write_json, write_line, write_table
from matsciml_cli.progress_bars import progress_bars
from matsciml_core.data.leaks.search import LeakReport, find_leaks
from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.registry.specs import DatasetSpec


def report_leaks(
    specs: Sequence[DatasetSpec],
    *,
    chosen: Sequence[str],
    overrides: Sequence[str] = (),
    confirm: bool,
    space_groups: bool,
    as_json: bool,
) -> None:
    """Compare the structures of datasets and of their subsets.

    Args:
        specs: The datasets.
        chosen: Splits, each as ``NAME`` for all of them or ``DATASET=NAME`` for one.
        overrides: Settings, each as ``KEY=VALUE`` for all of them or ``DATASET.KEY=VALUE`` for one.
        confirm: Whether StructureMatcher has the last word.
        space_groups: Whether structures of different space groups are different.
        as_json: Whether to write JSON.
    """
    names = [spec.name for spec in specs]
    prefixes = tuple(f"{name}." for name in names)
    shared = [text for text in overrides if not text.startswith(prefixes)]
    datasets, subsets = {}, {}
    for spec in specs:
        prefix = f"{spec.name}."
        own = [text.removeprefix(prefix) for text in overrides if text.startswith(prefix)]
        dataset = open_dataset(spec, [*shared, *own])  # what is said later wins
        split = dataset.split(_split_of(spec.name, chosen, names))
        indices = split.indices(dataset.ids)
        datasets[spec.name] = dataset
        subsets[spec.name] = [(name, part) for name, part in indices.items() if len(part)]
    with progress_bars() as report:
        leaks = find_leaks(
            datasets, subsets, confirm=confirm, space_groups=space_groups, report=report
        )
    if not as_json:
        _show(leaks, confirm)
        return
    data = {
        "schema": SCHEMA,
        "structures": len(leaks.groups),
        "candidates": leaks.candidates,
        "told_apart": leaks.told_apart,
        "confirmed": leaks.confirmed,
        "subsets": list(leaks.subsets),
        "sizes": list(leaks.sizes),
        "overlaps": leaks.overlaps.tolist(),
        "examples": [list(pair) for pair in leaks.examples],
    }
    write_json(data)


def _split_of(name: str, chosen: Sequence[str], datasets: Sequence[str]) -> str | None:
    """Return the split that was chosen for a dataset; the more specific choice wins."""
    pairs = [text.partition("=") for text in chosen]
    own = [split for dataset, equals, split in pairs if equals and dataset == name]
    shared = [dataset for dataset, equals, _ in pairs if not equals]
    unknown = [dataset for dataset, equals, _ in pairs if equals and dataset not in datasets]
    if unknown:
        raise ConfigError(
            f"'--split {unknown[0]}=…' names none of the datasets that are compared."
            f"{did_you_mean(unknown[0], datasets)} They are {', '.join(datasets)}."
        )
    # Of options that are repeated the last one counts, as everywhere.
    return next(iter((*reversed(own), *reversed(shared))), None)


def _show(leaks: LeakReport, confirm: bool) -> None:
    how = "confirmed by StructureMatcher" if confirm else "by composition, symmetry and fingerprint"
    lines = list(zip(leaks.subsets, leaks.sizes, leaks.overlaps.tolist(), strict=True))
    write_heading(f"structures that also occur in …, {how}")
    rows = [Row((name, f"{size:,}", *(f"{n:,}" for n in counts))) for name, size, counts in lines]
    write_table(rows, header=("", "structures", *leaks.subsets))
    write_line("On the diagonal: structures that occur more than once in that subset.")
    write_line(
        f"{leaks.candidates:,} pairs of one composition looked alike; {leaks.told_apart:,} of them "
        f"have different space groups, {leaks.confirmed:,} are the same structure."
    )
    # Which test structures a model may have seen is what the table is read for.
    tested = [
        Row((test, f"{count:,} of {size:,} ({count / size:.1%})", f"also in {train}"))
        for test, size, counts in lines
        for train, count in zip(leaks.subsets, counts, strict=True)
        if test.endswith("/test") and train.endswith("/train") and count
    ]
    if tested:
        write_heading("test structures that a training set has, too")
        write_table(tested, indent=2)
    elif any(subset.endswith("/test") for subset in leaks.subsets):
        write_line("No test structure occurs in a training set.")
    if leaks.examples:
        write_heading("for example")
        write_table([Row(pair) for pair in leaks.examples], indent=2)
