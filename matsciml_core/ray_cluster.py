"""Connecting to a cluster of Ray, or starting one of this machine, which may be busy."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError

_ATTEMPTS = 5
"""Times that a cluster is started. Ray gives its processes 30 s, whatever else the machine does;
what they have read from the disk is in memory the next time."""
_TOO_SLOW = "timed out during startup"
"""What Ray says then, in an exception of no class of its own."""


def connect(ray: Any, **options: Any) -> None:
    """Connect to a cluster, or start one; processes of a start that failed are ended.

    Args:
        ray: The module.
        **options: What ``ray.init`` takes.

    Raises:
        ConfigError: The processes of Ray did not start in time, again and again.
    """
    for _ in range(_ATTEMPTS):
        before = _children()
        try:
            ray.init(**options)
        except BaseException as error:
            # Ray would leave them running until this process ends, and they make the next start
            # slower still.
            _end(_children() - before)
            if _TOO_SLOW not in str(error):
                raise
        else:
            return
    raise ConfigError(
        f"Ray's processes did not start in time, {_ATTEMPTS} times in a row; the machine is too "
        "busy for them. Try again when it has less to do, or leave --launcher away."
    )


def _children() -> set[int]:
    """Return the processes that this one has started; none on systems without ``/proc``."""
    files = Path("/proc/self/task").glob("*/children")
    return {int(child) for file in files for child in file.read_text("ascii").split()}


def _end(children: set[int]) -> None:
    """Kill processes that this one has started, and wait until they have ended."""
    for child in children:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
