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
    estimated: bool = False
    """Whether ``total`` is inferred from the share of bytes that were read."""
    unit: str
    """``bytes``, ``pages`` or ``crystals``."""
    rate: float
    """Units per second since the start, without what an earlier run had done."""
    remaining: float | None
    """Seconds to go at that rate; None: not known."""
    finished: bool = False


Report = Callable[[Progress], None]
"""Receives progress, several times per second at most."""


def unknown_share() -> float | None:
    """Return that nobody knows how much has been read."""
    return None


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
        share: Returns the share of the work that is behind, above 0, where ``total`` is not known.
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
        share: Callable[[], float | None] = unknown_share,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock."""
        self.label, self.unit, self.total, self.done = label, unit, total, done
        self._report, self._share, self._clock = report, share, clock
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
        total, share = self.total, None
        if total is None and not finished and (share := self._share()) is not None:
            total = max(self.done, round(self.done / share))
        left = None if total is None or rate <= 0 else (total - self.done) / rate
        return Progress(
            label=self.label,
            done=self.done,
            total=total,
            estimated=share is not None,
            unit=self.unit,
            rate=rate,
            remaining=None if left is None else max(0.0, left),
            finished=finished,
        )
