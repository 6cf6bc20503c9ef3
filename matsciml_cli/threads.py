"""How many threads a run computes with, decided before torch is imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from matsciml_core.cores import available_cores

_OWN = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Settings by which users decide themselves."""
_IDLE = 0.5
"""Processes, on average over the last minute, below which the machine counts as idle."""
_SHORT_SPIN = "3000"
"""Turns that GNU OpenMP's threads wait in before they sleep: some microseconds."""


def leave_room(environment: MutableMapping[str, str]) -> None:
    """Leave the cores that others are using to them; on an idle machine change nothing.

    The layers of these networks are small, and threads meet at the end of each. Where another
    process holds one of the cores, all wait for the thread that shares it. Two cores of an AMD
    EPYC, seconds per epoch of MEGNet on ``mp``: idle 4.9 with two threads and 6.3 with one; beside
    one busy process 27 with two threads, 18 with two that sleep early, and 7.2 with one.

    Args:
        environment: Variables of the process, which OpenMP reads when torch is imported; what the
            user has set is left alone.
    """
    if any(name in environment for name in _OWN) or not hasattr(os, "getloadavg"):
        return
    busy = os.getloadavg()[0]
    if busy < _IDLE:
        return
    # The load counts processes that run or wait: each holds about one core.
    environment["OMP_NUM_THREADS"] = str(max(1, available_cores() - round(busy)))
    environment["GOMP_SPINCOUNT"] = _SHORT_SPIN
