"""Run folders on disk, finished or not, as pages that compare them need them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_core.model.latest import follow_latest
from matsciml_core.training.run_folder import CONFIG, SUMMARY
from matsciml_util_pages.finished_runs import FinishedRun, read_finished_run
from matsciml_util_pages.run_files import RunFiles, read_run

Setting = tuple[str, str]
"""Dotted name and value."""


@dataclass(frozen=True, kw_only=True)
class KnownRun:
    """A run folder and what it holds."""

    folder: Path
    files: RunFiles
    results: FinishedRun | None
    """None where the run has not come to its end."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def component(self, kind: str) -> str:
        """Return the name of the encoder or the strategy."""
        found = self.files.config.get(kind)
        return str(found.get("name", "")) if isinstance(found, Mapping) else ""

    def training(self, name: str) -> Any:
        """Return a setting of the section ``training``; None where it is absent."""
        found = self.files.config.get("training")
        return found.get(name) if isinstance(found, Mapping) else None

    def settings(self) -> dict[str, str]:
        """Return all settings by dotted name, as text."""
        return dict(_flatten(self.files.config, ""))

    @property
    def recipe(self) -> str:
        """A hash of what the run was asked to do, but for its seed and where it was written."""
        ignored = ("output", "training.seed", "training.device", "training.num_workers")
        kept = {key: value for key, value in self.settings().items() if key not in ignored}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def find_runs(paths: Iterable[str | os.PathLike[str]]) -> list[KnownRun]:
    """Read run folders, and those below folders that are none themselves.

    Args:
        paths: Run folders, folders that hold some, or links to either. Files are passed over, so
            that ``runs/*`` may name them.

    Returns:
        The runs, each once, in the order given; those below one folder sorted by name.

    Raises:
        ConfigError: A folder does not exist, or there is no run.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        folders |= dict.fromkeys(_folders(Path(path)))
    if not folders:
        raise ConfigError(
            "There is no run folder there; name some, for example runs/*, or make one with "
            "'matsciml run'."
        )
    return [_read(folder) for folder in folders]


def _folders(path: Path) -> list[Path]:
    path = follow_latest(path)
    if path.is_file():
        return []
    if not path.is_dir():
        raise ConfigError(f"The folder '{path}' does not exist; name run folders.")
    if _is_run(path):
        return [path.resolve()]
    found = {file.parent.resolve() for name in (CONFIG, SUMMARY) for file in path.rglob(name)}
    return sorted(folder for folder in found if _is_run(folder))


def _is_run(folder: Path) -> bool:
    """Say whether a folder is that of a run; a configuration alone may be anything's."""
    if (folder / SUMMARY).is_file():
        return True
    return (folder / CONFIG).is_file() and (
        (folder / "metrics.csv").is_file() or any(folder.glob("split-*.json"))
    )


def _read(folder: Path) -> KnownRun:
    return KnownRun(folder=folder, files=read_run(folder), results=read_finished_run(folder))


def _flatten(value: Any, name: str) -> Iterator[Setting]:
    """Yield the settings of a configuration; components of a list go by their names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and all(_is_named(item) for item in value):
        for item in value:
            yield from _flatten(item, f"{name}.{item['name']}")
    else:
        yield name, json.dumps(value, ensure_ascii=False) if value != "" else ""


def _is_named(item: Any) -> bool:
    return isinstance(item, Mapping) and "name" in item
