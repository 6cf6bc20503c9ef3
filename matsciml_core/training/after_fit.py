"""Whether the plugins have been told that a run is finished; imports no torch.

``run.json`` says that a run is finished before plugins write what belongs to it, such as a report.
A process that is killed in between leaves work, which ``matsciml run --resume`` does, and with it
whatever repeats a command of many runs.
"""

from __future__ import annotations

import os
from pathlib import Path

from matsciml_core.files import read_object, write_json

SEGMENTS = "segments.json"
"""The file in a run folder with the parts of the run."""
_KEY = "after_fit"
_OUTSTANDING = "outstanding"


def begin(folder: Path) -> None:
    """Write down that plugins are to be told, before ``run.json`` says that the run is finished.

    Args:
        folder: The run folder.
    """
    _write(folder, _OUTSTANDING)


def end(folder: Path) -> None:
    """Write down that every plugin has been told.

    Args:
        folder: The run folder.
    """
    _write(folder, "done")


def is_outstanding(folder: str | os.PathLike[str]) -> bool:
    """Return whether a run was stopped between its end and that of what plugins write about it.

    Args:
        folder: The run folder.
    """
    return (read_object(Path(folder) / SEGMENTS) or {}).get(_KEY) == _OUTSTANDING


def _write(folder: Path, state: str) -> None:
    record = read_object(folder / SEGMENTS)
    if record is not None:
        write_json(folder / SEGMENTS, {**record, _KEY: state})
