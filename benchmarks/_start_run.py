"""Starts a run on a store and prints what that took; a process of its own for each store.

``store_scale.py`` calls it with the folder of a store: a run on a random split with MEGNet and the
label ``energy``, stopped where Lightning would begin to fit.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl

import matsciml_core
from matsciml_core.data import StoreDataset


class _BegunError(Exception):
    """The first epoch is about to begin."""


def main() -> int:
    """Start a run, print seconds and the most memory, MiB, as JSON, and return the exit code."""
    store = StoreDataset(sys.argv[1])
    memory = [0.0]
    threading.Thread(target=_watch, args=[memory], daemon=True).start()
    pl.Trainer.fit = _stop  # type: ignore[method-assign]
    started, worked = time.monotonic(), time.process_time()
    with TemporaryDirectory() as folder:
        try:
            matsciml_core.train(
                dataset=store,
                encoder="megnet",
                targets=["energy"],
                epochs=1,
                output=folder,
                baseline_crystals=0,
            )
        except _BegunError:
            result = {
                "wall": time.monotonic() - started,
                "core": time.process_time() - worked,
                "memory": memory[0],
            }
            print(json.dumps(result))
            return 0
    return 1


def _stop(*args: Any, **kwargs: Any) -> None:
    raise _BegunError


def _watch(memory: list[float]) -> None:
    """Keep the most memory that is not backed by files, MiB, so that the page cache is left out."""
    while True:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        (line,) = [line for line in lines if line.startswith("RssAnon:")]
        memory[0] = max(memory[0], int(line.split()[1]) / 1024)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
