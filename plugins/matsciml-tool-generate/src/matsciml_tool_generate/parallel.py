"""Map a function over items in several processes, some of which may hang, fail or crash."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_QUEUED = 4
"""Items that wait for each process."""
_STARTUP = 12.0
"""Seconds that it takes to start processes; shorter work is done without them."""
_WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
"""Variables of the worker processes; there is one for each core, so that each gets one thread."""


def parallel_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    on_crash: Callable[[Item], Result],
    expected_seconds: float,
    workers: int | None = None,
    label: str = "",
    unit: str = "crystals",
    report: Report = silent,
    on_result: Callable[[Item, Result], None] | None = None,
) -> list[Result]:
    """Apply a function to every item.

    Args:
        function: Importable by its name, as every process imports it anew.
        items: Arguments of the function, which can be pickled.
        on_crash: Makes the result of an item on which a process crashed, out of memory for
            example.
        expected_seconds: About how long all of it takes in one process.
        workers: Most processes; 1: none but this; None: one per core.
        label: Name of the work, for the progress.
        unit: Name of the items, for the progress.
        report: Receives progress.
        on_result: Called with each result as soon as it is there, in the order they come.

    Returns:
        The results, in the order of the items.
    """
    meter = Meter(label, report, unit=unit, total=len(items))
    results: dict[int, Result] = {}

    def finish(index: int, result: Result) -> None:
        results[index] = result
        if on_result is not None:
            on_result(items[index], result)
        meter.add()

    processes = min(available_cores() if workers is None else workers, len(items))
    if processes <= 1 or expected_seconds < _STARTUP:
        for index, item in enumerate(items):
            finish(index, function(item))
    else:
        _map_with_crashes(function, items, processes, finish, results, on_crash)
    meter.finish()
    return [results[index] for index in range(len(items))]


def _map_with_crashes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    processes: int,
    finish: Callable[[int, Result], None],
    results: Mapping[int, Result],
    on_crash: Callable[[Item], Result],
) -> None:
    """Use a pool; where a process of it crashes, find the item by handing them out one by one."""
    try:
        _map_in_pool(function, items, range(len(items)), processes, finish)
        return
    except BrokenProcessPool:
        # The pool does not say on which of several items in flight it broke.
        remaining = [index for index in range(len(items)) if index not in results]
    while remaining:
        try:
            _map_in_pool(function, items, remaining, 1, finish, queued=1)
        except BrokenProcessPool:
            culprit = next(index for index in remaining if index not in results)
            finish(culprit, on_crash(items[culprit]))
        remaining = [index for index in remaining if index not in results]


def _map_in_pool(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    indices: Sequence[int],
    processes: int,
    finish: Callable[[int, Result], None],
    queued: int = _QUEUED,
) -> None:
    """Hand the items of some indices to processes; BrokenProcessPool: one of them crashed."""
    running: dict[Future[Result], int] = {}

    def collect() -> None:
        ready, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ready:
            finish(running[future], future.result())
            del running[future]

    others = set(active_children())
    pool = ProcessPoolExecutor(
        processes,
        mp_context=get_context("spawn"),  # a fork would copy torch's threads in any state
        initializer=_start_worker,
        initargs=(_WORKER_ENVIRONMENT,),
    )
    try:
        for index in indices:
            running[pool.submit(function, items[index])] = index
            if len(running) >= processes * queued:
                collect()
        while running:
            collect()
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()  # their current items may take half a minute more
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(environment: Mapping[str, str]) -> None:
    """Prepare a worker process, before it imports NumPy, which reads the variables once."""
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers


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
        # The timer first: once the handler is the caller's, a late signal would end the process.
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
