"""Trains a run that is killed again and again, until it has ended.

    python killed_run.py FOLDER KILLS EPOCHS

Each life is a fork of this process, which has imported everything, and starts as a user would: with
``matsciml run``, and from the first checkpoint on with ``matsciml run --resume``. It is killed with
SIGKILL after a random time. Prints the steps that each life found and the number of kills.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

import matsciml_core.training.fitting  # so that no life has to import Lightning,
import matsciml_core.training.train  # noqa: F401 - nor what else a run needs
from matsciml_cli.app import execute
from matsciml_core.training.after_fit import is_outstanding
from matsciml_core.training.run_folder import (
    CHECKPOINTS,
    CONFIG,
    LAST_CHECKPOINT,
    finished_epochs,
    read_metrics,
)

SETTINGS = {
    "split.max_train_crystals": 100,
    "training.checkpoint_minutes": 0.002,
    "encoder.hidden_widths": "[8,4]",
    "encoder.convolution_widths": "[8,4]",
    "encoder.num_blocks": 1,
    "encoder.cutoff": 3,
    "encoder.dropout": 0.2,
    "strategy.weighting": "uncertainty",
}
RUN = ["run", "--dataset", "mp", "--encoder", "megnet", "--strategy", "additive"]
RUN += ["--target", "band_gap", "--target", "is_stable", "--batch-size", "8"]
RUN += [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]


def live(arguments: list[str], seconds: float | None, config: Path | None = None) -> bool:
    """Run a command in a fork; return whether it ended before it was killed.

    Args:
        arguments: What follows ``matsciml``.
        seconds: Time until it is killed; None: it is not.
        config: The time counts from when this file is written, which ends the preparation, so that
            a machine that has become slower still gets to train; None: it counts from the start.
    """
    started = time.time()
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        os._exit(execute(arguments))
    if seconds is not None:
        limit = time.monotonic() + 300
        while config is not None and time.monotonic() < limit:
            if config.is_file() and config.stat().st_mtime > started:
                break
            time.sleep(0.005)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status) != 0:
        sys.exit(f"{' '.join(arguments)} ended with {os.WEXITSTATUS(status)}")
    return True


def steps_of(checkpoint: Path) -> int:
    """Return the number of steps that a checkpoint has behind it."""
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


def windows(folder: Path, started: float) -> tuple[float, float]:
    """Return the times, s, in which an undisturbed run prepares itself, and trains 2.5 epochs.

    A life must be able to get past a validation, within which no checkpoint is written.
    """
    prepared = (folder / CONFIG).stat().st_mtime - started
    rows = read_metrics(folder)
    return prepared, 2.5 * float(rows[-1]["seconds"]) / len(rows)


def main(output: Path, kills: int, epochs: int) -> None:
    """Train once undisturbed, and once among kills."""
    run = [*RUN, "--epochs", str(epochs)]
    started = time.time()
    live([*run, "--output", str(output / "undisturbed")], None)
    prepared, trained = windows(output / "undisturbed" / "latest", started)
    draw, ended, done = random.Random(1), False, 0
    parent = output / "killed"
    latest = parent / "latest"
    # A life that is killed after the report has nothing left to do.
    while not (ended or (finished_epochs(latest) and not is_outstanding(latest))):
        steps = steps_of(latest / CHECKPOINTS / LAST_CHECKPOINT)
        given = ["run", "--resume", str(latest)] if steps else [*run, "--output", str(parent)]
        print(f"life {done + 1} starts after {steps} steps", flush=True)
        if done >= kills:
            ended = live(given, None)
        elif done % 4 == 0:  # some die while they prepare themselves
            ended = live(given, draw.uniform(0.0, prepared))
        else:
            ended = live(given, draw.uniform(0.0, trained), latest / CONFIG)
        done += not ended
    print(f"{done} kills")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
