"""The folder of a cross-validation: what it was asked for, and the run of each fold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import read_object, write_json
from matsciml_core.model.latest import LATEST, follow_latest
from matsciml_core.model.location import DESCRIPTION, TENSORS
from matsciml_core.training import after_fit
from matsciml_core.training.run_folder import (
    CHECKPOINTS,
    FINISHED,
    LAST_CHECKPOINT,
    SUMMARY,
)
from matsciml_tool_folds.making import Folds

RECORD = "folds.json"
ASSIGNMENT = "assignment.json"
PREDICTIONS = "predictions.csv"
RESULTS = "summary.json"
REPORT = "report.html"
_FORMAT = "matsciml-folds"
_SPLIT = "split.json"
_LOCK = ".lock"


@dataclass(frozen=True)
class FoldFolder:
    """The folder of a cross-validation."""

    path: Path

    def of(self, fold: int) -> Path:
        """Return the folder of a fold, which holds its split and its run.

        Args:
            fold: Its index, from 0.
        """
        return self.path / f"fold-{fold + 1}"

    def split_file(self, fold: int) -> Path:
        """Return the file with the split of a fold."""
        return (self.of(fold) / _SPLIT).resolve()

    def run(self, fold: int) -> Path | None:
        """Return the run folder of a fold; None where none was started."""
        run = follow_latest(self.of(fold) / LATEST).resolve()
        # The folder may be a stranger's, whose link leads to a run elsewhere.
        return run if run.is_dir() and run.parent == self.of(fold).resolve() else None

    def finished(self, fold: int) -> Path | None:
        """Return the run folder of a fold that has finished; None: it has not."""
        run = self.run(fold)
        if run is None or not all((run / name).is_file() for name in (DESCRIPTION, TENSORS)):
            return None
        status = (read_object(run / SUMMARY) or {}).get("status")
        return run if status == FINISHED else None

    def concluded(self, fold: int) -> bool:
        """Return whether a fold has finished, and plugins have written what belongs to it."""
        run = self.finished(fold)
        return run is not None and not after_fit.is_outstanding(run)

    def begun(self, fold: int) -> Path | None:
        """Return the run folder of a fold that can be resumed; None: there is none."""
        run = self.run(fold)
        if run is None:
            return None
        resumable = (run / CHECKPOINTS / LAST_CHECKPOINT).is_file() or after_fit.is_outstanding(run)
        return run if resumable else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training here.

        Raises:
            ConfigError: Another process does so, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / _LOCK, timeout=0)
            lock.acquire()
        except Timeout as error:
            raise ConfigError(
                f"Another process is training the folds in '{self.path}'; wait until it has ended, "
                "or name another folder with --output."
            ) from error
        except OSError as error:
            raise ConfigError(
                f"The folder '{self.path}' cannot be written ({error.strerror}); name another with "
                "--output."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, folds: Folds, config: Mapping[str, Any], content_hash: str) -> None:
        """Write down what the folder is for, or check that it is for nothing else.

        Args:
            folds: The folds.
            config: The configuration of their runs, as plain data.
            content_hash: That of the dataset.

        Raises:
            ConfigError: It holds folds with other settings, or something else.
            DataError: The data are others than before.
        """
        record = {
            "format": _FORMAT,
            "version": 1,
            "folds": folds.record(),
            "content_hash": content_hash,
            "config": dict(config),
        }
        before = read_object(self.path / RECORD)
        if before is None:
            strange = [one.name for one in self.path.iterdir() if one.name != _LOCK]
            if strange:
                raise ConfigError(
                    f"The folder '{self.path}' is not empty and holds no folds ('{strange[0]}' is "
                    "there); name another with --output."
                )
        else:
            self._compare(before, record)
        for fold in range(folds.number):
            if self.of(fold).is_symlink():
                raise DataError(f"'{self.of(fold)}' is a link; put the folder itself there.")
            self.of(fold).mkdir(exist_ok=True)
            if not self.split_file(fold).is_file():
                folds.split(fold).save(self.split_file(fold))
        lists = {f"fold-{k + 1}": list(ids) for k, ids in enumerate(folds.members)}
        write_json(self.path / ASSIGNMENT, lists)
        # Last, because it says that all the splits are there.
        write_json(self.path / RECORD, record)

    def _compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        old, new = (one.get("folds") or {} for one in (before, now))
        changed = before.get("content_hash") != now["content_hash"]
        if changed or old.get("ids_hash") != new["ids_hash"]:
            raise DataError(
                f"The data are not those that the folds in '{self.path}' were made of; bring the "
                "old data back, or name another folder with --output."
            )
        there, here = (dict(_flatten(one)) for one in (before, now))
        for name in there | here:
            if there.get(name) != here.get(name):
                raise ConfigError(
                    f"'{self.path}' holds folds with other settings: "
                    f"{name.removeprefix('config.')} is {there.get(name)} there and "
                    f"{here.get(name)} here; name another folder with --output."
                )


def digest(record: Mapping[str, Any]) -> str:
    """Return the first digits of the SHA-256 of plain data, which name a folder.

    Args:
        record: The data.
    """
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted name and text of each value of plain data."""
    items = (
        value.items()
        if isinstance(value, Mapping)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    if not items:
        yield name, json.dumps(value, ensure_ascii=False)
    for key, item in items:
        yield from _flatten(item, f"{name}.{key}" if name else str(key))
