"""Compares a real run folder with the page that documents it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PAGE = Path(__file__).parents[1] / "reference" / "run-folder.md"
_DATASET = (
    "source",
    "release",
    "licence",
    "content_hash",
    "split",
    "dropped",
    "published",
    "labels",
)
"""Keys of a dataset in ``run.json``, which the page lists below those of the run."""


def check_run_folder(folder: str | Path) -> None:
    """Compare the files, columns and keys of a run folder with its reference page.

    Args:
        folder: A finished run.

    Raises:
        RuntimeError: Something is not documented, or documented and not there.
    """
    root = Path(folder)
    run = json.loads((root / "run.json").read_text(encoding="utf-8"))
    _compare("file", _files(root), documented("Files"))
    _compare("column", _columns(root), documented("`metrics.csv`"))
    _compare("key", run, [name for name in documented("`run.json`") if name not in _DATASET])
    for data in run["datasets"].values():
        _compare("key of a dataset", data, _DATASET)


def documented(heading: str) -> list[str]:
    """Return the names in the first column of the tables below a heading."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].split("\n## ")[0]
    entries = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for entry in entries for name in re.findall("`([^`]+)`", entry)]


def _files(root: Path) -> Iterator[str]:
    for file in root.rglob("*"):
        path = file.relative_to(root).as_posix()
        if file.is_file():
            yield "tensorboard/" if path.startswith("tensorboard/") else path


def _columns(root: Path) -> list[str]:
    with (root / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        return next(csv.reader(stream))


def _compare(what: str, real: Iterable[str], on_page: Iterable[str]) -> None:
    # A placeholder such as <dataset> stands for one name, without a slash.
    patterns = {name: re.compile(re.sub("<[^>]+>", "[^/]+", name)) for name in on_page}
    names = set(real)
    unknown = [
        name for name in names if not any(pattern.fullmatch(name) for pattern in patterns.values())
    ]
    absent = [name for name, pattern in patterns.items() if not any(map(pattern.fullmatch, names))]
    if unknown or absent:
        raise RuntimeError(
            f"{PAGE.name} does not fit a real run: {what} not documented: {sorted(unknown)}; "
            f"documented and not there: {absent}."
        )
