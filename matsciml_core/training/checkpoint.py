"""Checkpoints of a run: whether one is sound, and the best weights back."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from matsciml_core.errors import TrainingError
from matsciml_core.training.run_folder import (
    BEST_CHECKPOINT,
    CHECKPOINTS,
    CONFIG,
    LAST_CHECKPOINT,
    read_metrics,
)

if TYPE_CHECKING:
    from matsciml_core.training.config import TrainingConfig

MONITOR = "validation/loss"


def restore(module: nn.Module, folder: Path, training: TrainingConfig) -> tuple[int, ...]:
    """Load the weights of a run that are to be tested.

    Args:
        module: Receives the weights.
        folder: The run folder.
        training: Says by ``tested`` and ``keep_best`` which they are.

    Returns:
        The epochs that they are from, counted from 1: several where they are a mean.

    Raises:
        TrainingError: A checkpoint is missing or damaged.
    """
    files = [
        folder / CHECKPOINTS / (LAST_CHECKPOINT if training.tested == "last" else BEST_CHECKPOINT)
    ]
    if training.tested == "mean":
        files = _best_kept(folder, training.keep_best)
    states = []
    for file in files:
        check_sound(file)
        states.append(torch.load(file, map_location="cpu", weights_only=True))
    tensors = {
        name: _mean([state["state_dict"][name] for state in states])
        for name in states[0]["state_dict"]
    }
    module.load_state_dict(tensors)
    return tuple(sorted(int(state["epoch"]) + 1 for state in states))


def _best_kept(folder: Path, count: int) -> list[Path]:
    """Return the checkpoints of the lowest validation losses, the lowest first."""
    # By the losses, because a run that was killed may have left more files than it keeps.
    files = []
    for row in read_metrics(folder):
        file = folder / CHECKPOINTS / f"step-{int(row['step'])}.ckpt"
        loss = float(row.get(MONITOR) or math.nan)
        if math.isfinite(loss) and file.is_file():
            files.append((loss, file))
    if not files:
        raise TrainingError(
            f"'{folder / CHECKPOINTS}' has none of the epochs that training.keep_best kept, so "
            "that there is no mean of their weights; resume with --set training.tested=best."
        )
    return [file for _, file in sorted(files)[:count]]


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors; the first one where there is no mean of such numbers."""
    if len(tensors) == 1 or not tensors[0].is_floating_point():
        return tensors[0]
    return torch.stack([*tensors]).double().mean(0).to(tensors[0].dtype)


def ends_epoch(file: Path) -> bool:
    """Return whether a checkpoint has the end of the last epoch that its run has measured.

    A run that is killed between the two has a line about an epoch whose weights nobody has.

    Args:
        file: The last checkpoint, in the folder ``checkpoints`` of its run.
    """
    rows = read_metrics(file.parent.parent)
    state = torch.load(file, map_location="cpu", weights_only=True)
    return bool(rows) and int(state["global_step"]) >= int(rows[-1]["step"])


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


def _is_sound(file: Path) -> bool:
    try:
        torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # torch documents none for damaged files, and raises half a dozen kinds
        return False
    return True
