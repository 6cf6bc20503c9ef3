"""When to ask again: token buckets, back-off with jitter, and ``Retry-After``."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class TokenBucket:
    """Lets through ``rate`` requests per second on average, and at most ``burst`` at once.

    Args:
        rate: Requests per second, above 0.
        burst: Requests that may go out together after a pause.
        clock: Returns seconds; for tests.
        sleep: Waits; for tests.
    """

    def __init__(
        self,
        rate: float,
        burst: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start full."""
        self.rate = rate
        self.burst = max(1.0, rate if burst is None else burst)
        self._clock, self._sleep = clock, sleep
        self._tokens = self.burst
        self._updated = clock()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until a request may go out."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self.burst, self._tokens + (now - self._updated) * self.rate)
            self._updated = now
            self._tokens -= 1.0
            # Below zero, requests queue up: each waits for the debt that it left.
            wait = max(0.0, -self._tokens / self.rate)
        if wait > 0.0:
            self._sleep(wait)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How patiently a request is repeated."""

    attempts: int = 8
    """Times a request is sent before giving up; a download that gains bytes starts anew."""
    first: float = 0.5
    """Upper bound of the first pause, s; it doubles each time."""
    longest: float = 60.0
    """Upper bound of every pause that the server did not ask for, s."""
    longest_asked: float = 900.0
    """Longest pause that a server may ask for by ``Retry-After``, s."""

    def pause(self, attempt: int, asked: float | None = None) -> float:
        """Return how long to wait after a failed attempt, s.

        Full jitter (uniform between zero and the bound), so that many clients that failed
        together do not come back together; never less than the server asked for.

        Args:
            attempt: Number of the attempt that failed, from 0.
            asked: What ``Retry-After`` says, s.
        """
        bound = min(self.longest, self.first * 2.0**attempt)
        jittered = random.uniform(0.0, bound)
        return jittered if asked is None else asked + jittered * 0.1


def retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait; None where it says nothing.

    Args:
        value: Seconds, or an HTTP date.
        now: The present; None: the clock's.

    >>> retry_after("120")
    120.0
    """
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
