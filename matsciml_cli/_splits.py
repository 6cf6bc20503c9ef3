"""What ``matsciml data split`` and ``matsciml data leaks`` do once their flags are read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_cli._data import SCHEMA, open_dataset
from matsciml_cli.console import Row, write_heading, write_json, write_table
from matsciml_cli.progress_bars import progress_bars
from matsciml_core.data.splits import algorithms, grouping
from matsciml_core.data.splits.leaks import LeakReport, find_leaks
from matsciml_core.data.splits.listed import listed_split, read_lists
from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.split import FRACTIONS, Split, random_split
from matsciml_core.registry.folders import data_folder
from matsciml_core.registry.imported import ImportedSpec
from matsciml_core.registry.specs import DatasetSpec

_GROUPS: Mapping[str, Callable[[Dataset], list[str]]] = {
    "composition": grouping.compositions,
    "prototype": grouping.prototypes,
    "trajectory": lambda dataset: grouping.trajectories(dataset.ids),
}
"""``--by`` → the group of each crystal."""
_BY = ("random", "composition", "crystal-system", "prototype", "trajectory", "time")
_SHOWN = 3
"""Missing ids that are named for each subset."""


@dataclass(frozen=True, kw_only=True)
class SplitRequest:
    """What a person wants split, and how."""

    by: str = "random"
    """``random``, a way to group or to stratify, ``time``, or a file with lists of ids."""
    lists: tuple[Path, ...] = ()
    """Files with lists of ids; empty: as ``by`` says."""
    seed: int = 0
    fractions: tuple[float, ...] = FRACTIONS
    """Shares of training, validation and test."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Files with lists of ids, however they were named; empty: there are none."""
        if self.lists or self.by in _BY:
            return self.lists
        return (Path(self.by),) if Path(self.by).exists() else ()

    @property
    def name(self) -> str:
        """What the split is called."""
        if self.files:
            words = "-".join(path.name.partition(".")[0] for path in self.files)
            return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
        name = self.by if self.by == "time" else f"{self.by}-{self.seed}"
        if tuple(self.fractions) != FRACTIONS:
            name += "-" + "-".join(f"{share:g}" for share in self.fractions)
        return name


def split_dataset(
    spec: DatasetSpec, request: SplitRequest, *, output: Path | None, overrides: Sequence[str]
) -> None:
    """Make a split, and keep it as a file."""
    split = _make_split(open_dataset(spec, overrides), request)
    settings = [text.removeprefix("dataset.") for text in overrides]
    path = output or _folder(spec) / f"{_file_name(request, settings, split)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    split.save(path)
    sizes = ", ".join(f"{len(ids):,} {subset}" for subset, ids in split.subsets.items())
    print(f"Split of {spec.name}, {split.algorithm}: {sizes}.")
    for subset, missing in split.missing.items():
        wanted = len(missing) + len(split.subsets[subset])
        print(
            f"Missing: {len(missing):,} of the {wanted:,} ids of '{subset}' are not in the dataset,"
            f" for example {', '.join(missing[:_SHOWN])}; the file has them all under 'missing'."
        )
    print(f"Hash: {split.hash}")
    shown = path.stem if isinstance(spec, ImportedSpec) and output is None else str(path)
    print(f"File: {path}")
    chosen = [f"split.name={shown}", *(f"dataset.{text}" for text in settings)]
    flags = [word for setting in chosen for word in ("--set", setting)]
    print(f"Use:  {shlex.join(['matsciml', 'run', '--dataset', spec.name, *flags])}")


def _file_name(request: SplitRequest, settings: Sequence[str], split: Split) -> str:
    """Return a name that splits of the same data made in the same way share, and no others."""
    if not settings:
        return request.name
    words = [re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") for text in settings]
    return "-".join([request.name, *words, split.ids_hash[:8]])


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
    datasets = {
        spec.name: open_dataset(spec, _settings_of(spec.name, overrides, names)) for spec in specs
    }
    subsets = {
        name: [
            (subset, indices)
            for subset, indices in dataset.split(_split_of(name, chosen, names))
            .indices(dataset.ids)
            .items()
            if len(indices)
        ]
        for name, dataset in datasets.items()
    }
    with progress_bars() as report:
        found = find_leaks(
            datasets, subsets, confirm=confirm, space_groups=space_groups, report=report
        )
    if as_json:
        write_json(_leaks_as_data(found))
    else:
        _show_leaks(found, confirm)


def _make_split(dataset: Dataset, request: SplitRequest) -> Split:
    ids, by = dataset.ids, request.by
    options: dict[str, Any] = {"fractions": request.fractions, "seed": request.seed}
    if request.files:
        source = ", ".join(path.name for path in request.files)
        return listed_split(ids, read_lists(request.files), source=source)
    if by == "random":
        return random_split(ids, **options)
    if by == "time":
        series = [name.rpartition("/")[0] for name in ids]
        return algorithms.blocked_split(ids, series, fractions=request.fractions)
    if by == "crystal-system":
        strata = grouping.crystal_systems(dataset)
        return algorithms.stratified_split(ids, strata, by="crystal system", **options)
    if by in _GROUPS:
        return algorithms.grouped_split(ids, _GROUPS[by](dataset), by=by, **options)
    raise ConfigError(
        f"'--by {by}' is neither a way to split nor a file.{did_you_mean(by, _BY)} Ways: "
        f"{', '.join(_BY)}."
    )


def _folder(spec: DatasetSpec) -> Path:
    if isinstance(spec, ImportedSpec):
        return Path(spec.folder) / "splits"
    return data_folder() / "splits" / spec.name


def _split_of(name: str, chosen: Sequence[str], datasets: Sequence[str]) -> str | None:
    """Return the split that was chosen for a dataset; the more specific choice wins."""
    pairs = [text.partition("=") for text in chosen]
    own = [split for dataset, equals, split in pairs if equals and dataset == name]
    rest = [dataset for dataset, equals, _ in pairs if not equals]
    unknown = [dataset for dataset, equals, _ in pairs if equals and dataset not in datasets]
    if unknown:
        raise ConfigError(
            f"'--split {unknown[0]}=…' names none of the datasets that are compared."
            f"{did_you_mean(unknown[0], datasets)} They are {', '.join(datasets)}."
        )
    return next(iter((*reversed(own), *reversed(rest))), None)


def _settings_of(name: str, overrides: Sequence[str], datasets: Sequence[str]) -> list[str]:
    """Return the settings that were given to a dataset; the more specific ones win."""
    own = [text.removeprefix(f"{name}.") for text in overrides if text.startswith(f"{name}.")]
    prefixes = tuple(f"{dataset}." for dataset in datasets)
    return [*(text for text in overrides if not text.startswith(prefixes)), *own]


def _leaks_as_data(found: LeakReport) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "structures": len(found.groups),
        "candidates": found.candidates,
        "told_apart": found.told_apart,
        "confirmed": found.confirmed,
        "subsets": list(found.subsets),
        "sizes": list(found.sizes),
        "overlaps": found.overlaps.tolist(),
        "examples": [list(pair) for pair in found.examples],
    }


def _show_leaks(found: LeakReport, confirm: bool) -> None:
    how = "confirmed by StructureMatcher" if confirm else "by composition, symmetry and fingerprint"
    write_heading(f"structures that also occur in …, {how}")
    rows = [
        Row((subset, f"{size:,}", *(f"{count:,}" for count in counts)))
        for subset, size, counts in zip(
            found.subsets, found.sizes, found.overlaps.tolist(), strict=True
        )
    ]
    write_table(rows, header=("", "structures", *found.subsets))
    print("On the diagonal: structures that occur more than once in that subset.")
    print(
        f"{found.candidates:,} pairs of one composition looked alike; {found.told_apart:,} of them "
        f"have different space groups, {found.confirmed:,} are the same structure."
    )
    _show_tested(found)
    if found.examples:
        write_heading("for example")
        write_table([Row(pair) for pair in found.examples], indent=2)


def _show_tested(found: LeakReport) -> None:
    """Say which test structures a model may have seen: the question that most people ask."""
    rows = [
        Row((test, f"{count:,} of {size:,} ({count / size:.1%})", f"also in {train}"))
        for test, size, counts in zip(
            found.subsets, found.sizes, found.overlaps.tolist(), strict=True
        )
        for train, count in zip(found.subsets, counts, strict=True)
        if test.endswith("/test") and train.endswith("/train") and count
    ]
    if rows:
        write_heading("test structures that a training set has, too")
        write_table(rows, indent=2)
    elif any(subset.endswith("/test") for subset in found.subsets):
        print("No test structure occurs in a training set.")
