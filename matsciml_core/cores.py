"""The number of processor cores that this process may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Return the number of cores that the system lets this process run on.

    Containers and batch systems often grant fewer cores than the machine has. Threads or
    processes beyond that number only take turns.
    """
    # Linux alone tells the set of cores of a process; macOS and Windows tell the machine's.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
