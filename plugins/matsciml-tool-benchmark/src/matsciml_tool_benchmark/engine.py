"""Running the cells of a table that are not finished yet."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from filelock import FileLock, Timeout

from matsciml_core.errors import ConfigError
from matsciml_tool_benchmark.cells import Cell
from matsciml_tool_benchmark.folders import Status, TableFolder
from matsciml_tool_benchmark.launchers import Launcher
from matsciml_tool_benchmark.obstacles import Obstacle


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A cell that has just ended."""

    cell: Cell
    status: Status
    seconds: float
    done: int
    """Cells that have ended in this call, this one included."""
    total: int
    """Cells that this call runs."""


def unfinished(
    cells: Sequence[Cell], folder: TableFolder, obstacles: Mapping[str, Obstacle]
) -> list[Cell]:
    """Return the cells that are to be run: those that can, and are not finished."""
    return [
        cell
        for cell in cells
        if cell.name not in obstacles and folder.status(cell).state != "finished"
    ]


def run_cells(
    cells: Sequence[Cell],
    folder: TableFolder,
    launcher: Launcher,
    after_each: Callable[[Progress], Any],
) -> None:
    """Run cells; one that fails does not keep the others from running.

    Args:
        cells: What to run.
        folder: The folder of the table.
        launcher: Where to run it.
        after_each: Called when a cell has ended.

    Raises:
        ConfigError: Another process works in the folder.
        KeyboardInterrupt: The user pressed Ctrl-C, or this process was told to end; what is
            finished stays, what ran was stopped with a checkpoint where it had one.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    by_key = {cell.key: cell for cell in cells}
    with _only_one(folder), _stoppable(), launcher:
        jobs = [folder.prepare(cell) for cell in cells]
        for place, outcome in enumerate(launcher.run(jobs), start=1):
            cell = by_key[outcome.key]
            after_each(
                Progress(
                    cell=cell,
                    status=folder.conclude(cell, outcome),
                    seconds=outcome.seconds,
                    done=place,
                    total=len(jobs),
                )
            )


@contextmanager
def _only_one(folder: TableFolder) -> Iterator[None]:
    """Keep two processes from filling one folder at a time."""
    lock = FileLock(folder.path / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"Another process is filling '{folder.path}'; wait for it, or name another folder with "
            "--output."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM, by which queues and shells end a process, stop the jobs as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
