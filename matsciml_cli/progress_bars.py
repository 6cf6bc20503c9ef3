"""Bars that show how far reading, fetching and computing have come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from matsciml_cli.console import write_line
from matsciml_core.data.ingestion.pool import PoolConfig
from matsciml_core.errors import visible
from matsciml_core.progress import Progress as Event
from matsciml_core.progress import Report


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Show progress on stderr, where that is a terminal."""
    console = Console(stderr=True)  # stdout may hold a table that is piped on
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[shown]}"))
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True) as bars, _remarks(console):

        def report(event: Event) -> None:
            if event.label not in tasks:
                tasks[event.label] = bars.add_task(
                    escape(visible(event.label)), total=event.total, shown=""
                )
            bars.update(
                tasks[event.label],
                completed=event.done,
                total=event.total,
                shown=describe_progress(event),
            )

        yield report


class _Lines:
    """Writes a line every ten seconds, for logs of jobs that run for hours."""

    EVERY = 10.0
    """Seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Write how far the work is, if the last line is old enough."""
        now = time.monotonic()
        if now - self._last >= self.EVERY:
            self._last = now
            text = visible(f"{event.label}: {describe_progress(event)}")
            self._console.print(text, highlight=False, markup=False)


class _Handler(logging.Handler):
    """Writes remarks to a console, every character visible."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        self._console.print(visible(record.getMessage()), style="dim", markup=False)


@contextmanager
def _remarks(console: Console) -> Iterator[None]:
    """Show what a fetch has to say, such as why it waits, above the bars."""
    handler = _Handler(console)
    # Without a handler of ours Python would drop what is below a warning.
    logger = logging.getLogger("matsciml.fetch")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class Speed:
    """Passes progress on, and remembers how many structures were converted per second."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._rate: float | None = None

    def __call__(self, event: Event) -> None:
        """Take note of one event, and pass it on."""
        # Bytes per second of a download say nothing about how fast structures are converted.
        if event.finished and event.unit == "crystals" and event.rate:
            self._rate = event.rate
        self._report(event)

    def show(self, pool: PoolConfig) -> None:
        """Print what was measured; nothing where nothing was converted."""
        if self._rate is not None:
            write_line(f"Speed: {self._rate:,.0f} structures/s, {pool.title}.")


def describe_progress(event: Event) -> str:
    """Return amount, rate and remaining time as text.

    >>> describe_progress(Event(label="", done=5_000_000, total=10_000_000, unit="bytes",
    ...                         rate=1e6, remaining=5.0))
    '5.0 of 10.0 MB, 1.0 MB/s, 0:05 left'
    """
    scale, unit = (1e6, "MB") if event.unit == "bytes" else (1.0, event.unit)
    digits = 1 if event.unit == "bytes" else 0
    amount = f"{event.done / scale:,.{digits}f}"
    if event.total is not None:
        about = "about " if event.estimated else ""
        amount += f" of {about}{event.total / scale:,.{digits}f}"
    text = f"{amount} {unit}, {event.rate / scale:,.{digits}f} {unit}/s"
    if event.remaining is None or event.finished:
        return text
    minutes, seconds = divmod(round(event.remaining), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    return f"{text}, {clock} left"
