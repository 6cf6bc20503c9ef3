"""Work on many items in several processes, which may take too long, fail, or die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from types import FrameType
from typing import TypeVar

from matsciml_core.cores import available_cores
from matsciml_core.progress import Meter, Report, silent

Item = TypeVar("Item")
Result = TypeVar("Result")
_AHEAD = 4
"""Items that are waiting, for each process."""
_SHORT = 12.0
"""Seconds; shorter work is done without other processes, since it takes as long to start them."""


def work_on(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    on_death: Callable[[Item], Result],
    expected: float,
    workers: int | None = None,
    label: str = "",
    unit: str = "crystals",
    report: Report = silent,
    keep: Callable[[Item, Result], None] | None = None,
) -> list[Result]:
    """Apply a function to every item.

    Args:
        function: Importable by its name, as every process imports it anew.
        items: What it is applied to.
        on_death: Makes the result of an item on which a process died, out of memory for example.
        expected: About how long all of it takes in one process, seconds.
        workers: Most processes; 1: none but this; None: one per core.
        label: What is being done, for the progress.
        unit: What is counted.
        report: Receives progress.
        keep: Called with each result as soon as it is there, in the order they come.

    Returns:
        The results, in the order of the items.
    """
    meter = Meter(label, report, unit=unit, total=len(items))
    results: dict[int, Result] = {}

    def finish(place: int, result: Result) -> None:
        results[place] = result
        if keep is not None:
            keep(items[place], result)
        meter.add()

    count = min(available_cores() if workers is None else workers, len(items))
    if count <= 1 or expected < _SHORT:
        for place, item in enumerate(items):
            finish(place, function(item))
    else:
        _in_processes(function, items, count, finish, results, on_death)
    meter.finish()
    return [results[place] for place in range(len(items))]


def _in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    finish: Callable[[int, Result], None],
    done: dict[int, Result],
    on_death: Callable[[Item], Result],
) -> None:
    """Work in a pool; where a process of it dies, find the culprit by working one by one."""
    try:
        _in_pool(function, items, range(len(items)), workers, finish)
        return
    except BrokenProcessPool:
        left = [place for place in range(len(items)) if place not in done]
    while left:
        try:
            _in_pool(function, items, left, 1, finish, ahead=1)
        except BrokenProcessPool:
            culprit = next(place for place in left if place not in done)
            finish(culprit, on_death(items[culprit]))
        left = [place for place in left if place not in done]


def _in_pool(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    places: Sequence[int],
    workers: int,
    finish: Callable[[int, Result], None],
    ahead: int = _AHEAD,
) -> None:
    waiting: dict[Future[Result], int] = {}
    queue = iter(places)
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        for place in queue:
            waiting[pool.submit(function, items[place])] = place
            if len(waiting) >= workers * ahead:
                _collect(waiting, finish)
        while waiting:
            _collect(waiting, finish)
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()  # what they are at may take half a minute more
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _collect(waiting: dict[Future[Result], int], finish: Callable[[int, Result], None]) -> None:
    ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in ready:
        finish(waiting[future], future.result())
        del waiting[future]


def _one_thread() -> None:
    """Leave Ctrl-C to the parent, and one core to each process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TimeoutError`` inside this context when the time is over.

    Compiled code is interrupted when it returns to Python. Without effect outside the main thread
    and where the system has no timer signals (Windows).

    Args:
        seconds: How long it may take.
    """
    usable = hasattr(signal, "setitimer")
    if not usable or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
