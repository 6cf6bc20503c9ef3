"""What the processor offers: cores that this process may use, and instructions."""

from __future__ import annotations

import os
from pathlib import Path


def available_cores() -> int:
    """Return the number of cores that the system lets this process run on.

    Containers and batch systems often grant fewer cores than the machine has. Threads or
    processes beyond that number only take turns.
    """
    # Linux alone tells the set of cores of a process; macOS and Windows tell the machine's.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_bfloat16(cpuinfo: str | os.PathLike[str] = "/proc/cpuinfo") -> bool:
    """Return whether the processor multiplies numbers in bfloat16 by instructions of its own.

    Without them bfloat16 is emulated, which is slower than float32. Linux alone tells; elsewhere
    the answer is no.

    Args:
        cpuinfo: Where Linux lists the features of the processor.
    """
    try:
        lines = Path(cpuinfo).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    # "flags" of x86 (AVX-512 or AMX), "Features" of ARM.
    features = {
        word for line in lines if line.startswith(("flags", "Features")) for word in line.split()
    }
    return bool(features & {"avx512_bf16", "amx_bf16", "bf16"})
