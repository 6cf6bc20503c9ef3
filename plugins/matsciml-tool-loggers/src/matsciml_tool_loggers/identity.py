"""By what a run is known to trackers, so that a resumed run goes on where it was."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from matsciml_core.files import read_object, write_json
from matsciml_core.guarded import parse_yaml, read_text
from matsciml_core.training import distributed

PROJECT = "matsciml"
"""Project or experiment where the user names none."""
_FILE = "trackers.json"
"""In the run folder: by what each tracker knows the run."""
_CONFIG = "config.yaml"


def is_first_process() -> bool:
    """Return whether this process is the one that logs, of those that share a run."""
    return distributed.rank() == 0


def known_as(folder: Path, tracker: str) -> str | None:
    """Return by what a tracker knows the run of a folder; None where it does not yet."""
    name = (read_object(folder / _FILE) or {}).get(tracker)
    return name if isinstance(name, str) else None


def remember(folder: Path, tracker: str, name: str) -> None:
    """Write down by what a tracker knows the run; the folder may be moved before it is resumed."""
    write_json(folder / _FILE, (read_object(folder / _FILE) or {}) | {tracker: name})


def identity(folder: Path, tracker: str) -> str:
    """Return by what a tracker is to know the run, and remember it.

    Names of folders are not enough: those of two machines that log to one project may be the same.
    """
    name = known_as(folder, tracker)
    if name is None:
        name = uuid.uuid4().hex[:12]
        if is_first_process():
            remember(folder, tracker, name)
    return name


def settings_of(folder: Path) -> dict[str, Any]:
    """Return the configuration of a run, flat: ``training.epochs`` and so on."""
    file = folder / _CONFIG
    return _flat(parse_yaml(read_text(file))) if file.is_file() else {}


def _flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(settings, dict) or not settings:
        return {prefix.rstrip("."): settings}
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.")
    return flat
