"""The parts of a run: each start and each resumption, with what was different in it.

What ``run.json`` says of a run must be true of all its parts. ``segments.json`` is written when a
part begins, so that a kill leaves what was known, and is compared when the run is resumed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import read_object, write_json
from matsciml_core.training import distributed, run_folder
from matsciml_core.training.after_fit import SEGMENTS
from matsciml_core.training.config import TrainingConfig, dump_config
from matsciml_core.training.optimiser import learning_rate_factor
from matsciml_core.training.plan import Plan

if TYPE_CHECKING:
    from matsciml_core.training.assemble import PreparedDataset
    from matsciml_core.training.prepare import Run

_LOCK = ".lock"
_APPLIED = (
    "epochs",
    "patience",
    "minutes",
    "plan",
    "tested",
    "gradient_clip",
    "inspect_gradients",
    "device",
    "devices",
    "nodes",
    "num_workers",
    "checkpoint_minutes",
    "loggers",
    "cache_neighbours",
)
"""Settings that take effect from the resumption on. All others are in the checkpoint (the rates and
moments of the optimiser, the schedule), or decide what came before it (the seed)."""
_BATCHES = ("batch_size", "max_atoms", "accumulate_batches")
"""Settings that take effect where an epoch begins."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process from training in a run folder.

    Args:
        folder: The run folder.

    Raises:
        ConfigError: Another process does so, or the folder cannot be written.
    """
    if distributed.rank() > 0:  # rank 0 holds the lock for all
        yield
        return
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"Another process is training in '{folder}'; wait until it has ended, or stop it."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"The run folder '{folder}' cannot be written ({error.strerror}); copy it to where it "
            "can, and resume it there."
        ) from error
    try:
        yield
    finally:
        lock.release()


def check_changes(before: Mapping[str, Any], changes: Mapping[str, Any], checkpoint: Path) -> None:
    """Refuse settings that a resumed run would record and not use.

    Args:
        before: The section ``training`` of the run.
        changes: What is asked for.
        checkpoint: Where the run goes on from.

    Raises:
        ConfigError: A setting cannot change, or not at this point.
    """
    merged = dump(TrainingConfig.from_options({**before, **changes}, where="training"))
    changed = [key for key in changes if merged.get(key) != before.get(key)]
    for key in changed:
        if key not in (*_APPLIED, *_BATCHES):
            raise ConfigError(
                f"'training.{key}' is {before.get(key)!r} and cannot change when a run is resumed, "
                "because what was trained before depends on it; leave it away, or start anew from "
                "the run's model with --init-from."
            )
    batches = next((key for key in changed if key in _BATCHES), None)
    if batches is not None and _within_epoch(checkpoint):
        best = shlex.quote(str(checkpoint.with_name(run_folder.BEST_CHECKPOINT)))
        raise ConfigError(
            f"'training.{batches}' can change where an epoch begins, and the last checkpoint lies "
            f"within one; go on from the end of the best epoch by copying {best} over "
            f"'{checkpoint}', or leave the setting away."
        )


def describe_length(
    folder: Path, before: Mapping[str, Any], training: TrainingConfig
) -> str | None:
    """Say at which rate a run goes on whose schedule spreads over another number of epochs.

    Args:
        folder: The run folder.
        before: The section ``training`` of the run so far.
        training: Its settings from now on.

    Returns:
        A sentence; None where the schedule stays, or its length is or was not one in epochs.
    """
    rows, epochs = run_folder.read_metrics(folder), before.get("epochs")
    lengths = (training.minutes, training.plan, before.get("minutes"), before.get("plan"))
    alike = training.schedule in ("constant", "plateau") or epochs == training.epochs
    if not rows or any(lengths) or alike:
        return None
    step = int(rows[-1]["step"])
    plan = Plan.of(training, round(step / len(rows)))
    rate = training.learning_rate * learning_rate_factor(training, plan)(step)
    return (
        f"The schedule '{training.schedule}' spreads over {training.epochs} instead of {epochs} "
        f"epochs: the learning rate goes on at {rate:.2g}, after "
        f"{float(rows[-1]['learning_rate']):.2g} at the end of epoch {len(rows)}."
    )


def dump(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings of the training as they are written.

    Args:
        config: The settings.
    """
    return config.model_dump(mode="json")


def check_data(folder: Path, datasets: Sequence[PreparedDataset]) -> None:
    """Refuse to go on with other data than the run began with.

    Args:
        folder: The run folder.
        datasets: The data as they are now.

    Raises:
        DataError: Content, ids or split differ, or it is not known what they were.
    """
    record = read_object(folder / SEGMENTS)
    if record is None or "datasets" not in record:
        raise DataError(
            f"'{folder / SEGMENTS}' cannot be read, which says what data the run began with; start "
            f"again with matsciml run --config {shlex.quote(str(folder / run_folder.CONFIG))}"
        )
    for prepared in datasets:
        before, now = record["datasets"].get(prepared.name), _identity(prepared)
        if before == now:
            continue
        what = next((key for key in now if (before or {}).get(key) != now[key]), "content_hash")
        raise DataError(
            f"The dataset '{prepared.name}' is not what the run began with: its "
            f"{_WORDS[what]} changed. Bring the old data back, or start a new run, with "
            "--init-from to start from this one's model."
        )


_WORDS = {
    "content_hash": "structures or labels have",
    "ids_hash": "ids have",
    "split_hash": "split has",
}


def begin_segment(run: Run) -> None:
    """Write down that a part of the run begins.

    Args:
        run: The run.
    """
    record = read_object(run.folder / SEGMENTS) or {}
    segments = record.get("segments", [])
    training = dump_config(run.config)["training"]
    first = record.get("training", training)
    segments.append(
        {
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "command": run_folder.command_line(),
            "first_epoch": len(run_folder.read_metrics(run.folder)) + 1,
            # What is not as it was when the run began.
            "settings": {key: value for key, value in training.items() if first.get(key) != value},
            "wall_seconds": 0.0,
            "versions": run_folder.versions(),
            "hardware": run_folder.hardware(run.device),
        }
    )
    datasets = {one.name: _identity(one) for one in run.datasets}
    data = {"training": first, "datasets": datasets, "segments": segments}
    write_json(run.folder / SEGMENTS, data)


def read_segments(folder: Path) -> list[dict[str, Any]]:
    """Return the parts of a run, from first to last.

    Args:
        folder: The run folder.
    """
    segments = (read_object(folder / SEGMENTS) or {}).get("segments", [])
    return [one for one in segments if isinstance(one, dict)]


def note_seconds(folder: Path, seconds: float) -> None:
    """Write down how long the part under way has taken.

    Args:
        folder: The run folder.
        seconds: Wall time, s.
    """
    record = read_object(folder / SEGMENTS)
    if record is not None and record.get("segments"):
        record["segments"][-1]["wall_seconds"] = round(seconds, 1)
        write_json(folder / SEGMENTS, record)


def _identity(prepared: PreparedDataset) -> dict[str, str]:
    """Return what tells whether data are the same."""
    return {
        "content_hash": prepared.dataset.provenance.content_hash,
        "ids_hash": prepared.used.ids_hash,
        "split_hash": prepared.used.hash,
    }


def _within_epoch(checkpoint: Path) -> bool:
    """Return whether a checkpoint lies between two steps of an epoch, and not between epochs."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    progress = state["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    return not progress["is_last_batch"]
