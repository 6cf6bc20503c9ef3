"""The run whose learning rate rises, and what its losses say."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from matsciml_core.errors import ConfigError, TrainingError
from matsciml_core.progress import Meter, Report, silent
from matsciml_core.registry.manager import Registry
from matsciml_core.training.assemble import resolve
from matsciml_core.training.config_data import merge
from matsciml_core.training.fitting import build_trainer, training_loader, without_advice
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.plan import Plan
from matsciml_core.training.prepare import prepare

_WIDTH = 0.04
"""Standard deviation of the weights of the average, as a share of the steps of the ramp: a batch's
own loss scatters by a third or more. For six decades in all it is a quarter of a decade."""
_DIVERGED = 4.0
"""Mean loss of the last steps, in units of the lowest, from which on nothing is learnt any more."""
FEWEST = 10
"""Steps that such a mean is of, and before anything is said."""


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """Learning rates that rise by the same factor from step to step."""

    lowest: float
    highest: float
    steps: int

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        share = step / (self.steps - 1)
        return math.exp((1.0 - share) * math.log(self.lowest) + share * math.log(self.highest))


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """Losses at rising learning rates."""

    encoder: str
    datasets: str
    optimiser: str
    batch_size: int
    rates: npt.NDArray[np.float64]
    """Of each step; ``(steps,)``."""
    losses: npt.NDArray[np.float64]
    """Of the batches of each step, before it was made; ``(steps,)``, dimensionless."""
    steps: int
    """Steps of the whole ramp."""
    diverged: bool
    """Whether the run was stopped because its loss had grown."""

    @property
    def smooth(self) -> npt.NDArray[np.float64]:
        """Average of the losses around each step; ``(steps,)``, dimensionless."""
        return smoothed(self.losses, _WIDTH * self.steps)

    @property
    def best(self) -> int | None:
        """The step of the lowest average loss; None: there are too few steps."""
        if len(self.rates) <= FEWEST:
            return None
        return FEWEST + int(np.argmin(self.smooth[FEWEST:]))

    @property
    def steepest(self) -> float | None:
        """Learning rate at which the average loss falls fastest with the rate's logarithm.

        None where it never falls. Lightning and fastai suggest the same.
        """
        if self.best is None:
            return None
        # Up to the lowest loss: behind it the run diverges, and what falls there is noise.
        slopes = np.gradient(self.smooth, np.log(self.rates))[FEWEST : self.best + 1]
        if slopes.min() >= 0.0:
            return None
        return float(self.rates[FEWEST + int(np.argmin(slopes))])


def find_rate(
    data: Mapping[str, Any], registry: Registry, ramp: Ramp, report: Report = silent
) -> RateCurve:
    """Train at rising learning rates; no weights are kept.

    Leslie N. Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017, section 3.3;
    here the rate rises by a factor and not by a summand, and the training loss is looked at.

    Args:
        data: The configuration of a run as plain data.
        registry: Where components are looked up.
        ramp: The learning rates.
        report: Receives the progress.

    Raises:
        ConfigError: The rates do not rise, or the run has none.
        TrainingError: The first losses are not finite already.
        KeyboardInterrupt: The user pressed Ctrl-C.
    """
    if not 0.0 < ramp.lowest < ramp.highest < math.inf:
        raise ConfigError(
            f"The learning rate cannot rise from {ramp.lowest:g} to {ramp.highest:g}; give --from "
            "and --to such as 1e-6 and 1."
        )
    # One process at one rate: what else belongs to a schedule would move the rate, too.
    alone: dict[str, Any] = {
        "schedule": "constant",
        "minutes": None,
        "plan": [],
        "devices": 1,
        "nodes": 1,
        "accumulate_batches": 1,
    }
    config = resolve(merge(dict(data), {"training": alone}), registry)
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(config, registry, Path(folder))
        if run.strategy.closed_form:
            raise ConfigError(
                f"'{config.strategy and config.strategy.name}' solves for the weights in closed "
                "form and has no learning rate; name another --strategy."
            )
        loader = training_loader(run)
        plan = Plan.of(config.training, len(loader))
        module = TrainingModule(run.encoder, run.tasks, run.strategy, config.training, plan)
        rising = _Rising(ramp, config.training.learning_rate, report)
        try:
            with without_advice():
                build_trainer(run, -1, [rising], []).fit(module, loader)
        except SystemExit as stop:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from stop
    if not rising.losses:
        raise TrainingError(
            f"The loss is not finite at a learning rate of {ramp.lowest:g} already; look for "
            "extreme labels and structures with matsciml data info."
        )
    return RateCurve(
        encoder=config.encoder.name,
        datasets="+".join(one.name for one in config.datasets),
        optimiser=config.training.optimiser,
        batch_size=config.training.batch_size,
        rates=np.array([ramp.rate(step) for step in range(len(rising.losses))]),
        losses=np.array(rising.losses),
        steps=ramp.steps,
        diverged=rising.diverged,
    )


class _Rising(Callback):
    """Sets the learning rate of each step, and stops where the loss has grown."""

    def __init__(self, ramp: Ramp, peak: float, report: Report) -> None:
        self.ramp = ramp
        self.losses: list[float] = []
        self.diverged = False
        self._peak = peak
        self._meter = Meter("learning rates", report, unit="steps", total=ramp.steps)
        self._lowest = math.inf

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        share = self.ramp.rate(len(self.losses)) / self._peak
        for group in trainer.optimizers[0].param_groups:
            # Of what the group starts from: an encoder may have a share of the rate.
            group["lr"] = share * group["initial_lr"]

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        losses = cast("TrainingModule", pl_module).take_losses("train")
        loss = float(losses.get("train/loss", math.nan))
        self._meter.add()
        if math.isfinite(loss):
            self.losses.append(loss)
            recent = float(np.mean(self.losses[-FEWEST:]))
            if len(self.losses) >= FEWEST:
                self._lowest = min(self._lowest, recent)
            self.diverged = recent > _DIVERGED * self._lowest
        else:
            self.diverged = True
        if self.diverged or len(self.losses) == self.ramp.steps:
            self._meter.finish()
            trainer.should_stop = True


def smoothed(
    losses: Sequence[float] | npt.NDArray[np.float64], width: float
) -> npt.NDArray[np.float64]:
    """Return averages of losses with Gaussian weights, centred: one of past losses would lag.

    Args:
        losses: One per step; ``(steps,)``, dimensionless.
        width: Standard deviation of the weights, steps.

    Returns:
        The average at each step; ``(steps,)``. At the ends it is of what is there.
    """
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / width) ** 2)
    averages: npt.NDArray[np.float64] = weights @ np.asarray(losses) / weights.sum(1)
    return averages
