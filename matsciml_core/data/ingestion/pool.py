"""Run conversions in this process, in several processes of this machine, or on a Ray cluster.

Work comes in pieces, and results come back in the order of the pieces, so that the store does not
depend on which process converted what. Only a few pieces are under way at once, so memory stays
flat, however many there are.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, Protocol, TypeVar

from matsciml_core.errors import ConfigError, DataError, MatSciMLError, MissingPackageError
from matsciml_core.ray_cluster import connect

Piece = TypeVar("Piece")
Result = TypeVar("Result")
LAUNCHERS = ("processes", "ray")
_AHEAD = 2
"""Pieces under way for each process: one that it works on, and one that waits."""


class Executor(Protocol):
    """Processes that convert pieces."""

    def map(
        self, function: Callable[[Piece], Iterable[Result]], pieces: Iterable[Piece]
    ) -> Iterator[Iterable[Result]]:
        """Yield the results of a function for each piece, in order.

        Args:
            function: A function of a module, or a ``partial`` of one.
            pieces: Taken a few at a time.
        """


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """Which processes convert.

    Raises:
        ConfigError: There is no such launcher.
    """

    launcher: str = "processes"
    """``processes``: of this machine. ``ray``: of a Ray cluster, the one that ``RAY_ADDRESS``
    names, or the one this machine belongs to, or else one of this machine that ends with the
    pool."""
    workers: int | None = None
    """Number of processes; None: this one alone, or one for each core of the cluster."""

    def __post_init__(self) -> None:
        """Check the name."""
        if self.launcher not in LAUNCHERS:
            raise ConfigError(
                f"There is no launcher '{self.launcher}'; launchers: {', '.join(LAUNCHERS)}."
            )

    @contextmanager
    def start(self) -> Iterator[Executor]:
        """Start the processes, and end them afterwards.

        Raises:
            MissingPackageError: Ray is asked for and not installed.
            DataError: A process died, most often because there was not enough memory.
        """
        if self.launcher == "ray":
            with _ray_executor(self.workers) as executor:
                yield executor
        elif (self.workers or 1) > 1:
            with _process_executor(self.workers or 1) as executor:
                yield executor
        else:
            yield _SerialExecutor()

    @property
    def title(self) -> str:
        """The processes in words, for progress lines."""
        if self.launcher == "ray":
            return f"{self.workers or 'all'} workers of a Ray cluster"
        count = self.workers or 1
        return "1 process" if count == 1 else f"{count} processes"


SERIAL = PoolConfig()
"""This process alone."""


class _SerialExecutor:
    """Converts a piece when its results are asked for."""

    def map(self, function: Callable[[Any], Any], pieces: Iterable[Any]) -> Iterator[Any]:
        return map(function, pieces)


class _ParallelExecutor:
    """Keeps a few pieces under way ahead of the results that are asked for."""

    def __init__(
        self, submit: Callable[[Callable[[], Any]], Any], wait: Callable[[Any], Any], workers: int
    ) -> None:
        self._submit, self._wait, self._ahead = submit, wait, _AHEAD * workers

    def map(self, function: Callable[[Any], Any], pieces: Iterable[Any]) -> Iterator[Any]:
        pending: deque[Any] = deque()
        for piece in pieces:
            pending.append(self._submit(partial(_as_list, function, piece)))
            if len(pending) >= self._ahead:
                yield self._wait(pending.popleft())
        while pending:
            yield self._wait(pending.popleft())


@contextmanager
def _process_executor(workers: int) -> Iterator[Executor]:
    # Not fork: this process has LMDB environments and threads, which do not survive it.
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with_parent
    )
    try:
        yield _ParallelExecutor(pool.submit, Future.result, workers)
    except BrokenProcessPool as error:
        raise DataError(
            "A process that converts ended unexpectedly; use fewer --workers if memory was short, "
            "and run the same command again: it goes on where it stopped."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when its parent was killed: it would wait for work for ever."""
    parent = parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        Thread(target=watch, daemon=True).start()


@contextmanager
def _ray_executor(workers: int | None) -> Iterator[Executor]:
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise MissingPackageError(
            "Ray is not installed; run: pip install 'matsciml[ray]', or leave --launcher away."
        ) from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry without consent
    own = not ray.is_initialized()
    if own:
        connect(ray, log_to_driver=False, logging_level=logging.ERROR)
    try:
        count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        task = ray.remote(_call).options(scheduling_strategy="SPREAD")

        def wait(reference: Any) -> Any:
            try:
                return ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, MatSciMLError):
                    raise error.cause from None
                raise

        yield _ParallelExecutor(task.remote, wait, count)
    finally:
        if own:
            ray.shutdown()


def _call(work: Callable[[], Any]) -> Any:
    return work()


def _as_list(function: Callable[[Any], Iterable[Any]], piece: Any) -> list[Any]:
    """Run a generator to its end in the worker: a generator cannot be sent between processes."""
    return list(function(piece))
