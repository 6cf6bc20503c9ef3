"""Which published subsets a store holds, and how they become training, validation and test.

Ids begin with their subset: ``train/random1181709/frame175``. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError, FetchError, did_you_mean
from matsciml_core.guarded import parse_json

TRAIN = "train"
VALIDATION = "val_id"
OUT_OF_DOMAIN = ("val_ood_ads", "val_ood_cat", "val_ood_both")
SUBSETS = (TRAIN, VALIDATION, *OUT_OF_DOMAIN)
"""In the order in which a store holds them."""


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A published file, or the member of an archive, that holds a subset."""

    subset: str
    url: str
    file: str
    md5: str
    records: int
    """As published."""
    member: str = ""
    """How the path of the member ends, where the file is an archive of several subsets."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is published of a dataset."""

    release: str
    files: tuple[SourceFile, ...]


def find_files(dataset: str, selection: str, table: str | None) -> Published:
    """Return the files that hold some subsets, in the order of ``SUBSETS``.

    Args:
        dataset: ``s2ef`` or ``is2re``.
        selection: Names of training sets or validation sets, joined by ``+``. Where a training set
            is named and no validation set, ``val_id`` comes with it.
        table: A file like ``sources.json``; None: that of the plugin.

    Raises:
        ConfigError: The table cannot be read.
        FetchError: There is no such subset, or two to train on.
    """
    source = _read_table(table)
    entries = source[dataset]
    names = [name.strip() for name in selection.split("+")]
    for name in names:
        if name not in entries:
            raise FetchError(
                f"There is no subset '{name}' of {dataset}.{did_you_mean(name, entries)} Subsets: "
                f"{', '.join(entries)}; join several by '+'. The published test set has no labels."
            )
    training = [name for name in names if name not in SUBSETS]
    if len(training) > 1:
        raise FetchError(
            f"'{selection}' names several subsets to train on, of which the larger holds the "
            "smaller; name one."
        )
    if len(training) == len(names):
        names.append(VALIDATION)
    chosen = {name if name in SUBSETS else TRAIN: entries[name] for name in names}
    return Published(
        release=f"{source['release']}, {'+'.join(dict.fromkeys(names))}",
        files=tuple(
            _as_file(subset, source["address"], chosen[subset])
            for subset in SUBSETS
            if subset in chosen
        ),
    )


def find_bounds(count: int, name_of: Callable[[int], str]) -> dict[str, tuple[int, int]]:
    """Return where each subset of a store begins and ends, by looking at a few ids.

    Args:
        count: Number of records.
        name_of: Returns the id of a record.
    """
    # Bisection: of a hundred million records, some thirty are looked at for each subset.
    bounds: dict[str, tuple[int, int]] = {}
    start = 0
    while start < count:
        subset = subset_of(name_of(start))
        low, high = start, count  # the record at low is of this subset, that at high is not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if subset_of(name_of(middle)) == subset else (low, middle)
        bounds[subset] = (start, high)
        start = high
    return bounds


def subset_of(name: str) -> str:
    """Return the subset that an id belongs to.

    Args:
        name: The id.

    >>> subset_of("val_id/random12/frame3")
    'val_id'
    """
    return name.partition("/")[0]


def split_names(subsets: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the splits that some subsets allow, the default one first.

    Args:
        subsets: Those that a store holds.
    """
    names: list[str] = []
    if TRAIN in subsets and VALIDATION in subsets:
        names = [subset for subset in (VALIDATION, *OUT_OF_DOMAIN) if subset in subsets]
    return (*names, "system")


def _as_file(subset: str, address: str, entry: Mapping[str, Any]) -> SourceFile:
    """Return an entry of the table as a file; a mirror's table may have further keys."""
    return SourceFile(
        subset=subset,
        url=f"{address.rstrip('/')}/{entry['file']}",
        file=entry["file"],
        md5=entry["md5"],
        records=entry["records"],
        member=entry.get("member", ""),
    )


def _read_table(path: str | None) -> dict[str, Any]:
    file = files("matsciml_data_ocp") / "sources.json" if path is None else Path(path)
    try:
        table: dict[str, Any] = parse_json(file.read_text(encoding="utf-8"))
        return {name: table[name] for name in ("address", "release", "s2ef", "is2re")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"The table of files '{path}' cannot be read ({type(error).__name__}: {error}); write "
            "it like the plugin's 'sources.json'."
        ) from error
