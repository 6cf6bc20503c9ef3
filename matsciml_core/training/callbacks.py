"""Lightning callbacks of every run: files that grow, and progress."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from matsciml_core.errors import visible
from matsciml_core.files import write_whole
from matsciml_core.training.gradient_angles import AnglesFile
from matsciml_core.training.run_folder import METRICS, read_metrics
from matsciml_core.training.segments import note_seconds

if TYPE_CHECKING:
    from matsciml_core.training.module import TrainingModule


class TrainingLosses(Callback):
    """Logs what the epoch's batches gave; first, because other callbacks read it."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log."""
        cast("TrainingModule", pl_module).log_training()


class MetricsFile(Callback):
    """Writes one line per epoch to ``metrics.csv``; a resumed run continues the file.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        """Read the lines that an interrupted run left."""
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self._before = 0.0
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, earlier parts included, s."""
        return self._before + time.perf_counter() - self._started

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the lines of the epochs that were finished before a resume."""
        known = read_metrics(self.folder)
        self.rows = [dict(row) for row in known if int(row["epoch"]) < trainer.current_epoch]
        self._before = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Append the epoch; validation metrics are in by now."""
        values = {
            name: value.item() if hasattr(value, "item") else value
            for name, value in trainer.callback_metrics.items()
            if name.startswith(("train/", "validation/"))
        }
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": round(self.seconds, 3),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
        }
        self.rows.append({**row, **values})
        if trainer.is_global_zero:
            self._write()

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.folder / METRICS, text.getvalue().encode())


class GradientAnglesFile(Callback):
    """Writes the angles between the tasks' gradients to ``gradients.csv``, once per epoch.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        """Remember the folder; the file is made when training starts."""
        self.folder = folder
        self._file: AnglesFile | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the lines of the steps before a resume."""
        if trainer.is_global_zero:
            self._file = AnglesFile(self.folder, trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what the epoch recorded."""
        self._write(pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write what was recorded so far: the run may be resumed from here."""
        self._write(pl_module)

    def _write(self, pl_module: pl.LightningModule) -> None:
        rows = cast("TrainingModule", pl_module).angles.take()
        if self._file is not None:
            self._file.append(rows)


class EpochLines(Callback):
    """Prints a line per epoch, and one per minute within it, for output that is not a terminal.

    Args:
        every: Seconds between two lines within an epoch.
    """

    def __init__(self, every: float = 60.0) -> None:
        """Start the clock."""
        self.every = every
        self._started = self._told = time.perf_counter()
        self._first: int | None = None  # batch of this epoch in this process

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the time."""
        self._started = self._told = time.perf_counter()
        self._first = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Remember the first batch, which is not 0 where an epoch is resumed."""
        if self._first is None:
            self._first = batch_idx

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Print how far the epoch is, and when it will have trained, once a minute."""
        now = time.perf_counter()
        batches = trainer.num_training_batches
        if now - self._told < self.every or batch_idx + 1 >= batches:
            return
        self._told = now
        if trainer.is_global_zero:
            seconds = now - self._started
            done = batch_idx + 1 - (self._first or 0)
            left = seconds / done * (batches - batch_idx - 1)
            print(
                f"epoch {trainer.current_epoch + 1}{_of(trainer, pl_module)}  "
                f"batch {batch_idx + 1:,} of {batches:,}  {seconds:.0f} s, {left:.0f} s left",
                flush=True,
            )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print epoch, losses, metrics in physical units, and seconds."""
        if not trainer.is_global_zero:
            return
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = {
            name: value
            for name, value in sorted(values.items(), key=lambda item: item[0] != "train/loss")
            if name in ("train/loss", "validation/loss") or name.endswith(("/mae", "/accuracy"))
        }
        text = "  ".join(f"{visible(name)} {value:.4g}" for name, value in shown.items())
        seconds = time.perf_counter() - self._started
        epoch = f"epoch {trainer.current_epoch + 1}{_of(trainer, pl_module)}"
        print(f"{epoch}  {text}  {seconds:.1f} s", flush=True)


def _of(trainer: pl.Trainer, pl_module: pl.LightningModule) -> str:
    """Return the number of epochs, as it stands behind that of one; empty while it is open."""
    known = cast("TrainingModule", pl_module).plan.steps is not None
    return f"/{trainer.max_epochs}" if known else ""


class SegmentClock(Callback):
    """Keeps the time of the part under way, so that a killed one has lost minutes at most.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        """Start the clock."""
        self.folder = folder
        self._started = time.perf_counter()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write the time beside each checkpoint."""
        if trainer.is_global_zero:
            note_seconds(self.folder, time.perf_counter() - self._started)
