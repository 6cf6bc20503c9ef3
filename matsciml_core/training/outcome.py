"""How the training of a run ends: fitted, or interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.training import after_fit, run_folder


class RunInterrupted(KeyboardInterrupt):
    """The user stopped the run with Ctrl-C; a checkpoint was left behind, if there was time.

    It is a ``KeyboardInterrupt``, so that a program that trains one model after the other and
    catches the errors of each stops, too.
    """

    def __init__(self, folder: Path) -> None:
        """Say how to go on."""
        epochs = len(run_folder.read_metrics(folder))
        self.folder = folder
        self.finished = after_fit.is_outstanding(folder)
        self.resumable = (folder / run_folder.CHECKPOINTS / run_folder.LAST_CHECKPOINT).is_file()
        if self.finished:
            super().__init__(
                f"The run in '{folder}' is finished, and was interrupted while its report was "
                f"written; matsciml_core.train(resume='{folder}') or matsciml run --resume "
                f"{folder} writes it."
            )
            return
        super().__init__(
            f"The run was interrupted after {epochs} epochs; go on with "
            f"matsciml_core.train(resume='{folder}') or: matsciml run --resume {folder}"
            if self.resumable
            else f"The run in '{folder}' was interrupted before anything was saved; start it again."
        )


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """How the training of a run went."""

    best_epoch: int
    """The epoch of the lowest validation loss, counted from 1."""
    tested_epochs: Sequence[int]
    """Those that the weights which are tested are from, counted from 1."""
    stopped_early: bool
    """Whether patience ended it."""
    budget: Mapping[str, Any] | None
    """What was chosen for a budget of time; None: there was none."""
