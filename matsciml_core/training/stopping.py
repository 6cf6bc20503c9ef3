"""What follows from epochs without a better validation loss: a lower rate, or the end."""

from __future__ import annotations

import math
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from matsciml_core.training.checkpoint import MONITOR
from matsciml_core.training.improvement import idle_epochs, plateaus, validation_losses
from matsciml_core.training.plan import Plan


class _LossWatch(Callback):
    """Knows the validation loss of every epoch.

    It reads the losses of earlier epochs from ``metrics.csv`` and keeps no state of its own, so
    that a run can be resumed with another patience. Losses are means over all ranks, so that every
    rank decides alike.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        """Know no loss yet."""
        self.folder = folder
        self.losses: list[float] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take up the losses of the epochs before a resume."""
        self.losses = validation_losses(self.folder)[: trainer.current_epoch]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the loss of the epoch."""
        self.losses.append(float(trainer.callback_metrics.get(MONITOR, math.nan)))


class EarlyStop(_LossWatch):
    """Ends training after some epochs without a better validation loss.

    Args:
        folder: The run folder.
        patience: Epochs to wait for a better one.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        """Remember how long to wait."""
        super().__init__(folder)
        self.patience = patience

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, where the patience is at its end."""
        super().on_train_epoch_end(trainer, pl_module)
        if idle_epochs(self.losses) >= self.patience:
            trainer.should_stop = True


class PlateauWatch(_LossWatch):
    """Counts in the plan how often the schedule ``plateau`` has lowered the rate.

    Args:
        folder: The run folder.
        plan: Receives the count.
        epochs: Epochs to wait for a better one.
    """

    def __init__(self, folder: Path, plan: Plan, epochs: int) -> None:
        """Remember how long to wait."""
        super().__init__(folder)
        self.plan = plan
        self.epochs = epochs

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count those of the epochs before a resume."""
        super().on_train_start(trainer, pl_module)
        self.plan.lowered = plateaus(self.losses, self.epochs)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count that of the epoch; the rate follows with the next step."""
        super().on_train_epoch_end(trainer, pl_module)
        self.plan.lowered = plateaus(self.losses, self.epochs)
