"""What ``matsciml data split`` does once its flags are read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_cli._data import open_dataset
from matsciml_cli.console import warn, write_line
from matsciml_cli.outputs import check_output
from matsciml_core.data.splits import algorithms, grouping
from matsciml_core.data.splits.listed import listed_split, read_lists
from matsciml_core.errors import ConfigError, MatSciMLError, did_you_mean
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
_NAMED = 3
"""Missing ids that are named for each subset."""


@dataclass(frozen=True, kw_only=True)
class SplitRequest:
    """How a dataset is to be split."""

    by: str = "random"
    """``random``, a way to group or to stratify, ``time``, or a file with lists of ids."""
    lists: tuple[Path, ...] = ()
    """Files with lists of ids; empty: as ``by`` says."""
    seed: int = 0
    fractions: tuple[float, ...] = FRACTIONS
    """Shares of training, validation and test."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Files with lists of ids, by ``lists`` or by ``by``; empty: there are none."""
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

    def make(self, dataset: Dataset) -> Split:
        """Split a dataset.

        Raises:
            ConfigError: ``by`` is neither a way to split nor a file.
        """
        ids, by = dataset.ids, self.by
        options: dict[str, Any] = {"fractions": self.fractions, "seed": self.seed}
        if self.files:
            source = ", ".join(path.name for path in self.files)
            return listed_split(ids, read_lists(self.files), source=source)
        if by == "random":
            return random_split(ids, **options)
        if by == "time":
            series, assumed = grouping.series(ids)
            if assumed:
                warn(f"Note: {assumed}")
            return algorithms.blocked_split(ids, series, fractions=self.fractions)
        if by == "crystal-system":
            strata = grouping.crystal_systems(dataset)
            return algorithms.stratified_split(ids, strata, by="crystal system", **options)
        if by in _GROUPS:
            return algorithms.grouped_split(ids, _GROUPS[by](dataset), by=by, **options)
        raise ConfigError(
            f"'--by {by}' is neither a way to split nor a file.{did_you_mean(by, _BY)} Ways: "
            f"{', '.join(_BY)}."
        )


def _keep(split: Split, path: Path, *, replace: bool, inputs: Sequence[Path]) -> None:
    """Write a split; the same one may lie there already."""
    try:
        same = path.is_file() and Split.load(path).hash == split.hash
    except MatSciMLError:
        same = False
    if not same:
        check_output(path, replace=replace, inputs=inputs)
        split.save(path)


def split_dataset(
    spec: DatasetSpec,
    request: SplitRequest,
    *,
    output: Path | None,
    overrides: Sequence[str],
    replace: bool,
) -> None:
    """Make a split, keep it as a file, and print how it is used."""
    split = request.make(open_dataset(spec, overrides))
    settings = [text.removeprefix("dataset.") for text in overrides]
    name = request.name
    if settings:
        # Splits of the same data made in the same way share a name, and no others do.
        words = [re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") for text in settings]
        name = "-".join([name, *words, split.ids_hash[:8]])
    own = Path(spec.folder) if isinstance(spec, ImportedSpec) else None
    home = own / "splits" if own else data_folder() / "splits" / spec.name
    path = output or home / f"{name}.json"
    _keep(split, path, replace=replace, inputs=request.files)
    sizes = ", ".join(f"{len(ids):,} {subset}" for subset, ids in split.subsets.items())
    write_line(f"Split of {spec.name}, {split.algorithm}: {sizes}.")
    for subset, missing in split.missing.items():
        total = len(missing) + len(split.subsets[subset])
        write_line(
            f"Missing: {len(missing):,} of the {total:,} ids of '{subset}' are not in the dataset,"
            f" for example {', '.join(missing[:_NAMED])}; the file has them all under 'missing'."
        )
    write_line(f"Hash: {split.hash}\nFile: {path}")
    # An imported dataset offers the splits in its folder by their names.
    shown = path.stem if own and output is None else str(path)
    flags = [f"split.name={shown}", *(f"dataset.{text}" for text in settings)]
    words = [word for flag in flags for word in ("--set", flag)]
    write_line(f"Use:  {shlex.join(['matsciml', 'run', '--dataset', spec.name, *words])}")
