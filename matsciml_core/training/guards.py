"""Lightning callbacks that keep what was trained: interrupts, checkpoints, skipped steps."""

from __future__ import annotations

import csv
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from matsciml_core.errors import TrainingError
from matsciml_core.files import open_appending_text
from matsciml_core.training import distributed
from matsciml_core.training.run_folder import CHECKPOINTS, LAST_CHECKPOINT

if TYPE_CHECKING:
    from matsciml_core.interfaces.batch import CrystalBatch
    from matsciml_core.training.module import TrainingModule

Handler = Callable[[int, FrameType | None], Any] | int | None
SKIPPED_STEPS = "skipped-steps.csv"
MOST_SKIPPED = 20
"""Steps in a row without a finite gradient after which a run stops."""
LOOK_EVERY = 50
"""Steps between two looks at whether they could be made: looking waits for the device."""


class InterruptGuard(Callback):
    """Turns Ctrl-C into a checkpoint between two steps; a second Ctrl-C stops at once.

    An interrupt in the middle of an optimiser step would leave half-updated weights, so the
    signal only sets a flag, and the run stops after the step.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        """Remember where to put the checkpoint."""
        self.checkpoint = folder / CHECKPOINTS / LAST_CHECKPOINT
        self.requested = False
        self._previous: Handler = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over SIGINT, where this is the main thread."""
        try:
            self._previous = signal.signal(signal.SIGINT, self._request)
        except ValueError:  # not the main thread: signals belong to someone else
            self._previous = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object
    ) -> None:
        """Save and stop, if asked to; after an epoch's last step, validation comes first."""
        if trainer.is_last_batch or not _between_steps(pl_module):
            return
        if any(distributed.on_any_rank([self.requested])):  # all processes stop after the same step
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save and stop, if asked to."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            return
        if any(distributed.on_any_rank([self.requested])):
            self._stop(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give SIGINT back."""
        self.release()

    def release(self) -> None:
        """Give SIGINT back to whoever had it."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _stop(self, trainer: pl.Trainer) -> NoReturn:
        trainer.save_checkpoint(self.checkpoint)
        raise KeyboardInterrupt

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class TimedCheckpoints(Callback):
    """Saves a checkpoint between two steps, when the last one is old: epochs can take hours.

    Args:
        folder: The run folder.
        minutes: Time between checkpoints.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        """Start the clock."""
        self.checkpoint = folder / CHECKPOINTS / LAST_CHECKPOINT
        self.seconds = 60.0 * minutes
        self._saved = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object
    ) -> None:
        """Save, if it is time."""
        if trainer.is_last_batch or not _between_steps(pl_module):
            return
        due = time.monotonic() - self._saved >= self.seconds
        if any(
            distributed.on_any_rank([due])
        ):  # clocks differ, and all processes take part in saving
            trainer.save_checkpoint(self.checkpoint)
            self._saved = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock anew: each epoch ends with a checkpoint."""
        self._saved = time.monotonic()


class EdgeWatch(Callback):
    """Stops a run whose batches have no edge, and counts those that have none among others.

    Args:
        cutoff: Of the encoder, Å, for the advice; None: it has none.
    """

    def __init__(self, cutoff: float | None) -> None:
        """Start with no batch seen."""
        self.cutoff = cutoff
        self._seen = self._empty = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: Mapping[str, CrystalBatch],
        batch_idx: int,
    ) -> None:
        """Count, by shapes, for which no device is waited for."""
        for crystals in batch.values():
            if crystals.edge_index is not None:
                self._seen += 1
                self._empty += not crystals.edge_index.shape[1]
        if self._seen >= LOOK_EVERY and self._empty == self._seen:
            self._stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where no batch of the epoch had an edge, and say how many had none, once."""
        if self._seen and self._empty == self._seen:
            self._stop()
        if self._empty and trainer.is_global_zero and not trainer.current_epoch:
            print(
                f"Note: {self._empty:,} of the {self._seen:,} batches have no edge: no atom has a "
                f"neighbour{self._within()}.",
                flush=True,
            )
        self._seen = self._empty = 0

    def _stop(self) -> NoReturn:
        raise TrainingError(
            f"No atom of the {self._seen:,} batches so far has a neighbour{self._within()}, so "
            "that the network sees isolated atoms; raise encoder.cutoff, or check that positions "
            "and cells are in Å."
        )

    def _within(self) -> str:
        return "" if self.cutoff is None else f" within the cutoff of {self.cutoff:g} Å"


@dataclass(frozen=True)
class _Step:
    number: int
    ids: Mapping[str, tuple[str, ...]]
    """Of the crystals, by dataset."""
    finite: Tensor
    """1, or 0 where it was left out; on the model's device."""


class SkippedSteps(Callback):
    """Writes down the crystals of skipped steps, and stops a run that makes none.

    A step whose gradient is not finite changes no weight. One such step now and then is normal in
    reduced precision; many in a row mean that nothing is learnt any more.

    Args:
        folder: The run folder.
        learning_rate: For the advice.
    """

    def __init__(self, folder: Path, learning_rate: float) -> None:
        """Remember where to write."""
        self.folder = folder
        self.learning_rate = learning_rate
        self._ids: dict[str, tuple[str, ...]] = {}
        self._steps: list[_Step] = []
        self._in_a_row = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: Mapping[str, CrystalBatch],
        batch_idx: int,
    ) -> None:
        """Remember the step, and look at some steps at once."""
        for name, crystals in batch.items():
            self._ids[name] = self._ids.get(name, ()) + tuple(crystals.ids)
        module = cast("TrainingModule", pl_module)
        if module.between_steps and module.finite is not None:
            self._steps.append(_Step(trainer.global_step, self._ids, module.finite))
            self._ids = {}
        if len(self._steps) >= LOOK_EVERY:
            self._look()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the rest; an epoch without any step stops the run, however short it was."""
        self._look()

    def _look(self) -> None:
        if not self._steps:
            return
        finite = torch.stack([step.finite for step in self._steps]).cpu().bool().tolist()
        skipped = [step for step, good in zip(self._steps, finite, strict=True) if not good]
        if skipped:
            self._write(skipped)
        for good in finite:
            self._in_a_row = 0 if good else self._in_a_row + 1
            if self._in_a_row >= MOST_SKIPPED:
                break
        last = self._steps[-1].number
        self._steps = []
        if self._in_a_row >= MOST_SKIPPED or not any(finite):
            raise TrainingError(
                f"No weight could be changed in {self._in_a_row} steps up to step {last}, because "
                "the loss or its gradient was not a finite number; lower training.learning_rate "
                f"(it is {self.learning_rate:g}), or look at the crystals of these steps, which "
                f"'{self.folder / SKIPPED_STEPS}' lists. What was learnt before is kept in "
                f"'{self.folder / CHECKPOINTS}'."
            )

    def _write(self, skipped: list[_Step]) -> None:
        path = self.folder / SKIPPED_STEPS
        new = not path.exists()
        with open_appending_text(path, newline="") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(("step", "dataset", "crystals"))
            for step in skipped:
                for name, ids in step.ids.items():
                    writer.writerow((step.number, name, " ".join(ids)))


def _between_steps(pl_module: pl.LightningModule) -> bool:
    """Return whether no gradients are waiting for further batches; a checkpoint has none."""
    return cast("TrainingModule", pl_module).between_steps
