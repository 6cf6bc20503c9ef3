"""Checkpoints of a run: which are written, whether one is sound, and the best weights back."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from matsciml_core.errors import TrainingError
from matsciml_core.training.run_folder import BEST_CHECKPOINT, CHECKPOINTS, CONFIG, LAST_CHECKPOINT

MONITOR = "validation/loss"


class MovableCheckpoint(ModelCheckpoint):
    """A ``ModelCheckpoint`` that knows its best epoch again after the run folder was moved.

    Lightning's own compares absolute paths, and forgets the best score where they differ: a resumed
    run would then overwrite its best weights with worse ones.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state, with the paths of where the folder lies now."""
        old, new = str(state_dict["dirpath"]), str(self.dirpath)
        super().load_state_dict(_moved(state_dict, old, new))


def checkpoint_callbacks(folder: Path) -> tuple[MovableCheckpoint, MovableCheckpoint]:
    """Return what saves the best epoch, and what saves every epoch.

    Args:
        folder: The run folder.
    """
    best = MovableCheckpoint(
        folder / CHECKPOINTS,
        filename=Path(BEST_CHECKPOINT).stem,
        monitor=MONITOR,
        enable_version_counter=False,
    )
    # Not save_last of the one above, which would save improvements only.
    last = MovableCheckpoint(
        folder / CHECKPOINTS,
        filename=Path(LAST_CHECKPOINT).stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return best, last


def restore_best(module: pl.LightningModule, folder: Path) -> int:
    """Load the best weights of a run; return their epoch, counted from 1.

    Args:
        module: Receives the weights.
        folder: The run folder.

    Raises:
        TrainingError: The checkpoint is missing or damaged.
    """
    file = folder / CHECKPOINTS / BEST_CHECKPOINT
    check_sound(file)
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


def check_sound(file: Path) -> None:
    """Check that a checkpoint can be read.

    Args:
        file: The checkpoint, in the folder ``checkpoints`` of its run.

    Raises:
        TrainingError: It is missing or damaged.
    """
    if _is_sound(file):
        return
    best = file.with_name(BEST_CHECKPOINT)
    config = shlex.quote(str(file.parent.parent / CONFIG))
    again = f"start again with: matsciml run --config {config}"
    if best != file and _is_sound(best):
        again = f"go on from the best one by copying '{best}' over it, or {again}"
    raise TrainingError(f"The checkpoint '{file}' is damaged; {again}")


def _moved(value: Any, old: str, new: str) -> Any:
    """Return plain data with the beginning of each path replaced."""
    if isinstance(value, str) and value.startswith(old):
        return new + value[len(old) :]
    if isinstance(value, dict):
        return {_moved(key, old, new): _moved(item, old, new) for key, item in value.items()}
    return value


def _is_sound(file: Path) -> bool:
    try:
        torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # torch documents none for damaged files, and raises half a dozen kinds
        return False
    return True
