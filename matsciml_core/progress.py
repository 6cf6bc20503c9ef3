"""Progress of long work, as plain events; who draws them is somebody else's business."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a piece of work is."""

    label: str
    """What is being done, for people: the name of a file, for example."""
    done: int
    total: int | None
    """None: not known."""
    unit: str
    """``bytes``, ``pages`` or ``crystals``."""
    rate: float
    """Units per second since the start, without what an earlier run had done."""
    remaining: float | None
    """Seconds to go at that rate; None: not known."""
    finished: bool = False


Report = Callable[[Progress], None]
"""Receives progress, several times per second at most."""


def silent(progress: Progress) -> None:
    """Report to nobody."""


class Meter:
    """Counts, and reports at most ten times per second.

    Args:
        label: What is being done.
        report: Who wants to know.
        unit: What is counted.
        total: How many there are; None: not known.
        done: How many were done before this run.
        clock: Returns seconds; for tests.
    """

    def __init__(
        self,
        label: str,
        report: Report,
        *,
        unit: str,
        total: int | None = None,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock."""
        self.label, self.unit, self.total, self.done = label, unit, total, done
        self._report, self._clock = report, clock
        self._before = done
        self._started = clock()
        self._reported = float("-inf")

    def add(self, count: int = 1) -> None:
        """Count, and report if the last report is old enough."""
        self.done += count
        now = self._clock()
        if now - self._reported >= 0.1:
            self._reported = now
            self._report(self._progress(now))

    def restart(self) -> None:
        """Begin again at zero: what was done is of no use."""
        self.done = self._before = 0
        self._started = self._clock()

    def finish(self) -> None:
        """Report the end."""
        self._report(self._progress(self._clock(), finished=True))

    def _progress(self, now: float, *, finished: bool = False) -> Progress:
        elapsed = max(now - self._started, 1e-9)
        rate = (self.done - self._before) / elapsed
        left = None if self.total is None or rate <= 0 else (self.total - self.done) / rate
        return Progress(
            label=self.label,
            done=self.done,
            total=self.total,
            unit=self.unit,
            rate=rate,
            remaining=None if left is None else max(0.0, left),
            finished=finished,
        )
