"""When training is over: after all epochs, or after some without a better validation loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from matsciml_core.training.checkpoint import MONITOR
from matsciml_core.training.run_folder import read_metrics


class EarlyStop(Callback):
    """Ends training after some epochs without a better validation loss.

    It reads the losses of earlier epochs from ``metrics.csv`` and keeps no state of its own, so
    that a run can be resumed with another patience.

    Args:
        folder: The run folder.
        patience: Epochs to wait for a better one.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        """Remember how long to wait."""
        self.folder = folder
        self.patience = patience
        self._losses: list[float] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take up the losses of the epochs before a resume."""
        self._losses = validation_losses(self.folder)[: trainer.current_epoch]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, where the patience is at its end."""
        self._losses.append(float(trainer.callback_metrics.get(MONITOR, math.nan)))
        # Losses are means over all ranks, so that every rank stops after the same epoch.
        if idle_epochs(self._losses) >= self.patience:
            trainer.should_stop = True


def idle_epochs(losses: Sequence[float]) -> int:
    """Return the number of epochs since the best one.

    Args:
        losses: Validation loss of each epoch, dimensionless; one that is NaN is never better.

    Returns:
        0 where the last epoch is the best one.
    """
    best, idle = math.inf, 0
    for loss in losses:
        best, idle = (loss, 0) if loss < best else (best, idle + 1)
    return idle


def validation_losses(folder: Path) -> list[float]:
    """Return the validation loss of each finished epoch of a run; NaN where there is none.

    Args:
        folder: The run folder.
    """
    return [float(row.get(MONITOR) or math.nan) for row in read_metrics(folder)]


def is_trained(folder: Path, epochs: float, patience: int | None) -> bool:
    """Return whether nothing of a run is left to be trained.

    Args:
        folder: The run folder.
        epochs: Epochs that were asked for; infinite where that is not known.
        patience: Epochs without a better one after which the run stops; None: it does not.
    """
    losses = validation_losses(folder)
    return len(losses) >= epochs or (patience is not None and idle_epochs(losses) >= patience)
