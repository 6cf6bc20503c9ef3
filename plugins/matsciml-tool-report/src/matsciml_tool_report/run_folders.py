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
from matsciml_core.files import refuse_links
from matsciml_core.model.latest import follow_latest
from matsciml_core.training.run_folder import CONFIG, METRICS, SUMMARY
from matsciml_util_pages.finished_runs import FinishedRun, read_finished_run
from matsciml_util_pages.run_files import RunFiles, read_run
from matsciml_util_pages.run_json import nested


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
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
        return str(nested(self.files.config, kind).get("name", ""))

    @property
    def seen_before(self) -> tuple[str, ...]:
        """Datasets of whose crystals the weights that it started from have seen most."""
        return seen_before(self.files)

    def training(self, name: str) -> Any:
        """Return a setting of the section ``training``; None where it is absent."""
        return nested(self.files.config, "training").get(name)

    def settings(self) -> dict[str, str]:
        """Return all settings by dotted name, as text."""
        return dict(_flatten(self.files.config, ""))

    @property
    def recipe(self) -> str:
        """A hash of what the run was asked to do, but for its seed and where it was written."""
        # Device and workers change the time that a run takes, and not what it computes.
        ignored = ("output", "training.seed", "training.device", "training.num_workers")
        recipe = {key: value for key, value in self.settings().items() if key not in ignored}
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def find_runs(paths: Iterable[str | os.PathLike[str]]) -> list[ComparedRun]:
    """Read run folders, and those below folders that are none themselves.

    Args:
        paths: Run folders, folders that hold some, or links to either. Files are passed over, so
            that ``runs/*`` may name them.

    Returns:
        The runs, each once, in the order given; those below one folder sorted by name.

    Raises:
        ConfigError: A folder does not exist, or there is no run.
        DataError: A run folder holds a link or a pipe: its files may be a stranger's, and what they
            lead to would be published, or written to.
    """
    folders: dict[Path, None] = {}
    for name in paths:
        path = follow_latest(Path(name))
        if path.is_file():
            continue
        if not path.is_dir():
            raise ConfigError(f"The folder '{path}' does not exist; name run folders.")
        files = [file for name in (CONFIG, SUMMARY) for file in path.rglob(name)]
        below = sorted({file.parent.resolve() for file in files})
        # A run folder holds others only where something was evaluated within it.
        chosen = [path.resolve()] if _is_run(path) else filter(_is_run, below)
        folders |= dict.fromkeys(chosen)
    if not folders:
        raise ConfigError(
            "There is no run folder there; name some, for example runs/*, or make one with "
            "'matsciml run'."
        )
    for folder in folders:
        refuse_links(folder)
    return [read_compared(folder) for folder in folders]


def read_compared(folder: Path) -> ComparedRun:
    """Read a run folder, which holds no link.

    Args:
        folder: The folder.

    Raises:
        ConfigError: It is no run folder.
    """
    return ComparedRun(folder=folder, files=read_run(folder), results=read_finished_run(folder))


def _is_run(folder: Path) -> bool:
    """Return whether a folder is that of a run; a configuration alone may be anything's."""
    # Only runs write a summary of this name.
    if (folder / SUMMARY).is_file():
        return True
    return (folder / CONFIG).is_file() and (
        (folder / METRICS).is_file() or any(folder.glob("split-*.json"))
    )


def _flatten(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield dotted name and value of each setting; components of a list go by their names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(item, f"{name}.{key}" if name else str(key))
    elif (
        value
        and isinstance(value, list)
        and all(isinstance(item, Mapping) and "name" in item for item in value)
    ):
        for item in value:
            yield from _flatten(item, f"{name}.{item['name']}")
    else:
        yield name, json.dumps(value, ensure_ascii=False) if value != "" else ""


def seen_before(files: RunFiles) -> tuple[str, ...]:
    """Return the datasets that a run's ``run.json`` says were seen before it.

    Args:
        files: What the run folder holds.
    """
    names = files.entry("init").get("seen", [])
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
