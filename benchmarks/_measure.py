"""What the benchmarks share: one core, interleaved timing, and a description of the machine."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ON_ONE_CORE = "MATSCIML_BENCHMARK_ON_ONE_CORE"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def on_one_core() -> None:
    """Restart the script on one core with one thread; call it before importing NumPy.

    A core can only be chosen for threads that do not exist yet, and libraries start theirs when
    they are imported. Where the system cannot bind a process to a core (macOS, Windows) only the
    number of threads is set.
    """
    if os.environ.get(_ON_ONE_CORE):
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ.update(dict.fromkeys((_ON_ONE_CORE, *_THREADS), "1"))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def take_older_build(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--old``, the checkout of an older build to measure beside today's."""
    parser.add_argument("--old", type=Path, help="checkout of an older build, with its .venv")


def program_of(checkout: Path, name: str) -> Path:
    """Return a program of a build's own environment, by its absolute path."""
    return checkout.resolve() / ".venv" / "bin" / name


def peak_memory() -> float:
    """Return the most memory that this process has held, in MiB.

    On Linux what the system says of the program that runs now: ``getrusage`` also counts what the
    parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text(encoding="utf-8").splitlines()
        (line,) = [line for line in lines if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    import resource  # not on Windows

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True)
class Task:
    """Something to time."""

    name: str
    run: Callable[[], object]
    """Does the work once."""
    items: int
    """How many items, structures for example, one run works on."""
    loops: int = 1
    """Runs in one measurement; more for quick work, so that the clock does not matter."""


@dataclass
class Timing:
    """Seconds per item of a task, one number per repeat."""

    core: list[float] = field(default_factory=list)
    """Time that the core worked for this process; other processes on the machine do not count."""
    wall: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Items per second of core time, from the median."""
        return 1.0 / statistics.median(self.core)

    @property
    def wall_rate(self) -> float:
        """Items per second on the wall clock, from the median."""
        return 1.0 / statistics.median(self.wall)

    @property
    def spread(self) -> tuple[float, float]:
        """Items per second of core time in the slowest and in the fastest repeat."""
        return 1.0 / max(self.core), 1.0 / min(self.core)


def interleave(tasks: Sequence[Task], repeats: int) -> dict[str, Timing]:
    """Time tasks in turns, so that whatever else the machine does disturbs them all alike.

    Args:
        tasks: What to time; each is run once before, which warms caches.
        repeats: How many times each is measured.

    Returns:
        The times by name of the task.
    """
    for task in tasks:
        task.run()
    timings = {task.name: Timing() for task in tasks}
    for _ in range(repeats):
        for task in tasks:
            core, wall = _measure(task)
            timings[task.name].core.append(core)
            timings[task.name].wall.append(wall)
    return timings


def speedup(fast: Timing, slow: Timing) -> float:
    """Return the median, over the repeats, of how many times faster one task was."""
    return statistics.median(b / a for a, b in zip(fast.core, slow.core, strict=True))


def _measure(task: Task) -> tuple[float, float]:
    """Return core and wall seconds per item."""
    wall, core = time.perf_counter(), time.process_time()
    for _ in range(task.loops):
        task.run()
    core, wall = time.process_time() - core, time.perf_counter() - wall
    done = task.items * task.loops
    return core / done, wall / done


def machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Describe what the numbers were measured on and with.

    Args:
        packages: Distributions whose versions matter.

    Returns:
        Date, processor, number of cores, load, system, and versions.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    described = {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": f"{os.cpu_count()} in the machine, {cores} used",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {_version(name)}" for name in packages),
    }
    if hasattr(os, "getloadavg"):
        described["load"] = f"{os.getloadavg()[0]:.1f} processes on average during the last minute"
    return described


def processor() -> str:
    """Return the name of the processor and the size of its cache, as far as they can be told."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return platform.processor() or "unknown"
    lines = [line.partition(":") for line in listing.read_text(encoding="utf-8").splitlines()]
    fields = {name.strip(): value.strip() for name, _, value in lines}
    return f"{fields.get('model name', platform.machine())} (cache {fields.get('cache size', '?')})"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; every column but the first is aligned to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = cells
        padded = [first.ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def markdown_list(items: Mapping[str, str]) -> str:
    """Return a list of named facts."""
    return "\n".join(f"- {name}: {value}" for name, value in items.items())
