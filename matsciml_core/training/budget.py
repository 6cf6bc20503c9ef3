"""Training within a budget of time: how many steps fit, measured while the run goes on.

The learning rate must be at zero when the time is over, so that the length of the run has to be
known, and how fast this machine is cannot be known before. Two epochs are trained first; they
count. The learning rate rises meanwhile, in a way that does not depend on the length (``warm_up``),
so that a run of the chosen number of epochs without a budget does exactly the same. Where the
machine turns out slower or faster later on, the rest of the schedule is fitted to the rest of the
time. Each such decision is recorded, and repeats the run as ``training.plan``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from matsciml_core.training import distributed
from matsciml_core.training.plan import MOST_WARM_UP, Plan

if TYPE_CHECKING:
    from matsciml_core.training.module import TrainingModule

TRIAL = 2
"""Epochs that are trained before the length is chosen; the first one also looks for neighbours."""
FEW = 5
"""Number of epochs from which on a run has whole ones only, so that ``--epochs`` can repeat it."""
SPARE = 0.05
"""Share of the time that is left over when the length is chosen: machines are not even."""
LATE = 0.8
"""Share of the fall of the learning rate after which a run is not made longer any more."""
UNEVEN = 0.3
"""Difference of speed, relative, within an epoch that is more than batches of different sizes."""
WORTH_SAYING = 0.2
"""Change of the length since it was last told, relative, from which on the user is told again."""
LOOKS = 100
"""Times within the budget at which the speed is looked at, besides the end of each epoch."""


@dataclass(kw_only=True)
class Pace:
    """How fast a run is."""

    step: float = math.nan
    """Seconds for a step of the optimiser."""
    validation: float = math.nan
    """Seconds for one validation."""

    def steps_within(self, seconds: float, step: int, per_epoch: int) -> int:
        """Return the steps that a run can have in all.

        Args:
            seconds: Time that is left for training and validation.
            step: Steps made so far.
            per_epoch: Steps in an epoch, which ends with a validation.

        Returns:
            A multiple of ``per_epoch`` where that makes at least five epochs; at least ``step``.
        """
        rest = per_epoch - step % per_epoch  # of the epoch that is under way, or of the next
        first = rest * self.step + self.validation
        if seconds < first:
            return step + max(int((seconds - self.validation) / self.step), 0)
        more, left = divmod(seconds - first, per_epoch * self.step + self.validation)
        whole = step + rest + int(more) * per_epoch
        part = int((left - self.validation) / self.step)
        # Where there are few, a part of an epoch counts, if it is worth a validation of its own.
        return whole if whole >= FEW * per_epoch or part < 0.1 * per_epoch else whole + part

    def until(self, steps: int, step: int, per_epoch: int) -> float:
        """Return the seconds of training and validation from one step to another.

        Args:
            steps: Step at which the run ends, with a validation.
            step: Steps made so far.
            per_epoch: Steps in an epoch.
        """
        validations = math.ceil(steps / per_epoch) - step // per_epoch
        return (steps - step) * self.step + max(validations, 0) * self.validation


class PlannedEnd(Callback):
    """Ends a run after the steps of its plan, within an epoch if need be.

    Args:
        plan: The plan.
        per_epoch: Steps in an epoch.
    """

    def __init__(self, plan: Plan, per_epoch: int) -> None:
        """Remember the plan."""
        self.plan = plan
        self.per_epoch = per_epoch

    @property
    def epochs(self) -> int:
        """Epochs of the run, the last of which may be a part; those of the trial, if it is open."""
        return TRIAL if self.plan.steps is None else math.ceil(self.plan.steps / self.per_epoch)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train nothing where a checkpoint is at the end already."""
        self._apply(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object
    ) -> None:
        """Stop after the last step; Lightning validates and ends the epoch then."""
        self._apply(trainer)

    def _apply(self, trainer: pl.Trainer) -> None:
        if self.plan.steps is None:
            return
        trainer.fit_loop.max_epochs = self.epochs
        if trainer.global_step >= self.plan.steps:
            trainer.should_stop = True


class TimeBudget(PlannedEnd):
    """Chooses the length of a run such that it ends in time.

    Args:
        plan: Receives the length.
        per_epoch: Steps in an epoch.
        seconds: The budget, from ``started`` to the end of the test.
        started: When the time began, as ``time.perf_counter()`` tells it.
        tail: Batches that are evaluated after training, per batch of a validation.
        say: Shows a sentence to the user.
    """

    def __init__(
        self,
        plan: Plan,
        per_epoch: int,
        seconds: float,
        *,
        started: float,
        tail: float,
        say: Callable[[str], None],
    ) -> None:
        """Start with an open plan."""
        super().__init__(plan, per_epoch)
        self.seconds = seconds
        self.tail = tail
        self.pace = Pace()
        self._say = say
        self._started = started
        self._used = 0.0
        self._epoch = (0.0, 0)  # when it started, at which step
        self._validation = 0.0
        self._next_look = 0.0
        self._extended = False
        self._told: int | None = None  # steps

    @property
    def used(self) -> float:
        """Seconds since the run began, without those between an interrupt and its resume."""
        return self._used + time.perf_counter() - self._started

    def record(self) -> dict[str, Any]:
        """Return what ``run.json`` says about the budget."""
        steps = self.plan.steps or 0
        # What was chosen during the warm-up is as if it had been known from the start.
        known = self.plan.warm_up <= MOST_WARM_UP * steps
        early = len(self.plan.revisions) == 1 and self.plan.revisions[0][0] <= self.plan.warm_up
        if known and early and steps % self.per_epoch == 0:
            repeat = f"training.epochs={steps // self.per_epoch}"
        else:
            pairs = ",".join(f"[{start},{length}]" for start, length in self.plan.revisions)
            repeat = f"training.plan=[{pairs}]"
        return {
            "minutes": round(self.seconds / 60, 6),
            "epochs": self.epochs,
            "steps": steps,
            "plan": [list(one) for one in self.plan.revisions],
            "seconds_per_epoch": round(self.pace.until(self.per_epoch, 0, self.per_epoch), 3),
            "repeat": None if self._extended else f"--set {repeat} --set training.minutes=null",
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to know."""
        return {
            "revisions": self.plan.revisions,
            "used": self.used,
            "extended": self._extended,
            "pace": (self.pace.step, self.pace.validation),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint was written."""
        self.plan.revisions[:] = [(start, length) for start, length in state_dict["revisions"]]
        self._used = state_dict["used"]
        self._extended = state_dict["extended"]
        step, validation = state_dict["pace"]
        self.pace = Pace(step=step, validation=validation)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; a resumed run may have another budget than before."""
        steps = self.plan.steps
        if steps is not None and not math.isnan(self.pace.step):
            if trainer.global_step >= steps:
                left = self.seconds * (1 - SPARE) - self.used - self.tail * self.pace.validation
                longer = self.pace.steps_within(left, trainer.global_step, self.per_epoch)
                if longer > steps:  # the learning rate is at zero, and has to rise again
                    self.plan.revisions[:] = [(0, longer)]
                    self._extended = True
            self._revise(trainer)
        super().on_train_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the time."""
        self._epoch = (time.perf_counter(), trainer.global_step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object
    ) -> None:
        """Look at the speed now and then, and stop after the last step."""
        if trainer.is_last_batch or not cast("TrainingModule", pl_module).between_steps:
            return super().on_train_batch_end(trainer, pl_module, *args)
        if any(distributed.on_any_rank([self.used >= self._next_look])):
            self._next_look = self.used + self.seconds / LOOKS
            self._look(trainer)
        return super().on_train_batch_end(trainer, pl_module, *args)

    def _look(self, trainer: pl.Trainer) -> None:
        """Compare the speed of this epoch with that of the last, and the plan with the time."""
        started, first = self._epoch
        steps = trainer.global_step - first
        recent = (time.perf_counter() - started) / max(steps, 1)
        # Batches differ, so that the speed of a part of an epoch counts where it is far from that
        # of the last one, or where epochs are so few that there is not much to compare with.
        few = self.plan.steps is None or self.plan.steps < FEW * self.per_epoch
        far = abs(recent / self.pace.step - 1) > UNEVEN and steps > 0.1 * self.per_epoch
        if math.isnan(self.pace.step) or far or (few and steps >= 10):
            self.pace.step = recent
        measured = self.pace.validation
        if math.isnan(measured):
            # Until it is measured: a pass without a gradient takes less than half of one with it.
            self.pace.validation = 0.5 * self.pace.step * sum(map(int, trainer.num_val_batches))
        self._revise(trainer)
        self.pace.validation = measured

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the time; what came before it were the steps of the epoch."""
        self._validation = time.perf_counter()
        started, first = self._epoch
        if trainer.global_step > first:
            self.pace.step = (self._validation - started) / (trainer.global_step - first)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the time."""
        self.pace.validation = time.perf_counter() - self._validation

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the length after the trial, or see whether it still fits."""
        self._revise(trainer)
        self._apply(trainer)

    def _revise(self, trainer: pl.Trainer) -> None:
        """Choose the length anew where it does not fit the time any more."""
        step, steps = trainer.global_step, self.plan.steps
        left = self.seconds - self.used - self.tail * self.pace.validation
        spare = SPARE * self.seconds
        fitting = self.pace.steps_within(left - spare, step, self.per_epoch)
        chosen = steps
        # Little is gained by few more steps, and a plan that was kept can be repeated by hand.
        enough = 0.1 * ((steps or 0) - step)
        if steps is not None and steps >= FEW * self.per_epoch:
            enough = max(enough, self.per_epoch)
        if steps is None:
            if step >= TRIAL * self.per_epoch or fitting < (TRIAL + FEW) * self.per_epoch:
                chosen = fitting
        elif self.pace.until(steps, step, self.per_epoch) > left:
            chosen = min(self.pace.steps_within(left - spare / 2, step, self.per_epoch), steps)
        elif self.plan.progress(step)[1] < LATE and fitting - steps >= enough:
            chosen = fitting
        # One clock decides for all ranks.
        chosen = distributed.sum_over_ranks((chosen or 0) if distributed.rank() == 0 else 0) or None
        if chosen is not None and chosen != steps:
            self.plan.revise(step, chosen)
            self._tell()

    def _tell(self) -> None:
        """Say what was chosen; on an uneven machine the length changes often, by little."""
        steps, told = self.plan.steps or 0, self._told
        if told is not None and abs(steps - told) < WORTH_SAYING * told:
            return
        self._told = steps
        epochs = f"{steps / self.per_epoch:.3g} epochs"
        seconds = self.pace.until(self.per_epoch, 0, self.per_epoch)
        minutes = f"{self.seconds / 60:.3g}"
        minutes += " minute" if minutes == "1" else " minutes"
        if told is None:
            self._say(f"{minutes}: {epochs}, of {seconds:.3g} s each with validation")
        else:
            slower = "slower" if steps < told else "faster"
            self._say(
                f"{minutes}: {epochs} instead of {told / self.per_epoch:.3g}, because an epoch "
                f"is {slower} than before, {seconds:.3g} s"
            )
