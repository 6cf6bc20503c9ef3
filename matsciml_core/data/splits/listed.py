"""Published splits: lists of ids in files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from matsciml_core.errors import SplitError
from matsciml_core.guarded import BoundsError, parse_json, parse_yaml, unpack_gzip
from matsciml_core.interfaces.split import FORMAT, SUBSETS, UNUSED, Split, make_split

_SUBSET_NAMES = {
    **{subset: subset for subset in (*SUBSETS, UNUSED)},
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "testing": "test",
}
_LARGEST_LIST = 256 << 20
"""Bytes of a list of ids, unpacked; ten million ids take as many."""


def listed_split(ids: Sequence[str], lists: Mapping[str, Sequence[str]], *, source: str) -> Split:
    """Split by published lists of ids.

    Ids of the dataset that no list names go into a subset ``unused``; ids that the dataset does not
    have are left out and kept in ``Split.missing``.

    Args:
        ids: The dataset's ids.
        lists: Ids by subset; ``val`` and ``valid`` mean ``validation``.
        source: Where the lists come from, for the record.

    Returns:
        The split.

    Raises:
        SplitError: A subset is unknown, the dataset has none of its ids, or an id is listed twice.
    """
    own, used = set(ids), set[str]()
    subsets: dict[str, list[str]] = {subset: [] for subset in SUBSETS}
    missing: dict[str, tuple[str, ...]] = {}
    for name, listed in lists.items():
        subset = _SUBSET_NAMES.get(name)
        if subset is None:
            raise SplitError(f"'{source}' has a subset '{name}'; subsets are {', '.join(SUBSETS)}.")
        if subset == UNUSED:
            continue
        _check_unique(name, listed, used, source)
        present = [id for id in listed if id in own]
        absent = tuple(sorted(set(listed) - own))
        # Some ids may have been withdrawn since; that all are missing is another dataset.
        if absent and not present:
            raise SplitError(
                f"The dataset has none of the {len(listed):,} ids in the subset '{name}' of "
                f"'{source}', for example '{absent[0]}'; its own look like '{ids[0]}'."
            )
        subsets[subset] += present
        if absent:
            missing[subset] = (*missing.get(subset, ()), *absent)
    rest = [id for id in ids if id not in used]
    split = make_split(f"listed in {source}", None, subsets | ({UNUSED: rest} if rest else {}))
    return replace(split, missing=missing)


def read_lists(paths: Sequence[str | os.PathLike[str]]) -> dict[str, list[str]]:
    """Read lists of ids by subset.

    A file is YAML or JSON with lists by subset, as ``train: [mp-1, mp-2]``; a split file of
    MatSciML; or one list, as YAML, JSON or plain text with an id per line, whose subset is in the
    file's name, as ``train.txt`` or ``mp-test-ids.json``. Each may be compressed by gzip.

    Args:
        paths: The files; of a folder, all the files in it.

    Returns:
        Ids by the names that the files give to the subsets.

    Raises:
        SplitError: A file is something else, or two of them name the same subset.
    """
    files = [
        file
        for path in map(Path, paths)
        for file in (sorted(path.glob("[!.]*.*")) if path.is_dir() else [path])
    ]
    if not files:
        raise SplitError(f"'{Path(paths[0])}' holds no files; name files with lists of ids.")
    lists: dict[str, list[str]] = {}
    for file in files:
        for subset, listed in _read(file).items():
            if subset in lists:
                raise SplitError(f"'{file}' has the subset '{subset}', as another file does.")
            lists[subset] = listed
    return lists


def _read(path: Path) -> dict[str, list[str]]:
    """Return the lists in one file by subset."""
    try:
        content = path.read_bytes()
        text = (unpack_gzip(content, _LARGEST_LIST) if path.suffix == ".gz" else content).decode()
    except (OSError, UnicodeDecodeError, BoundsError) as error:
        bounds = str(error) if isinstance(error, BoundsError) else "it is no text"
        reason = getattr(error, "strerror", None) or bounds
        raise SplitError(f"'{path}' cannot be read: {reason}.") from error
    data = _parse(path, text)
    if isinstance(data, dict) and data.get("format") == FORMAT:
        data = Split.load(path).subsets
    if isinstance(data, list):
        data = {_subset_of(path): data}
    if not isinstance(data, Mapping) or not all(map(_is_list, data.values())):
        raise SplitError(
            f"'{path}' does not hold lists of ids by subset, such as 'train: [mp-1, mp-2]', nor "
            "one id per line."
        )
    return {str(subset): [str(name) for name in listed] for subset, listed in data.items()}


def _is_list(listed: Any) -> bool:
    return isinstance(listed, list | tuple) and all(isinstance(id, str | int) for id in listed)


def _parse(path: Path, text: str) -> Any:
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    try:
        if kind == "json":
            return parse_json(text, largest=None)
        if kind in ("yml", "yaml"):
            # Plain: numbers and dates stay the text that they are.
            return parse_yaml(text, largest=_LARGEST_LIST, plain=True)
    except (ValueError, yaml.YAMLError) as error:
        reason = f" ({error})" if isinstance(error, BoundsError) else ""
        raise SplitError(f"'{path}' cannot be read as {kind.upper()}{reason}.") from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _subset_of(path: Path) -> str:
    """Return the subset that a file's name tells."""
    # Whole words only: "train" is not in "constrained.txt".
    words = re.split(r"[^a-z]+", path.name.lower())
    subsets = {_SUBSET_NAMES[word] for word in words if word in _SUBSET_NAMES}
    if len(subsets) != 1:
        raise SplitError(
            f"'{path}' holds one list, and its name does not say of which subset; name the file "
            f"'train', 'val' or 'test'{path.suffix}."
        )
    return subsets.pop()


def _check_unique(name: str, listed: Sequence[str], used: set[str], source: str) -> None:
    """Reject an id that is listed twice, and note the others."""
    for id in listed:
        if id in used:
            raise SplitError(f"'{source}' lists '{id}' twice, the second time in '{name}'.")
        used.add(id)
