"""The Lightning modules: one mechanism for one task, several tasks, and several datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import Metric

from matsciml_core.interfaces.crystal import CrystalBatch
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import Parameters, Strategy, Task
from matsciml_core.training.config import TrainingConfig

if TYPE_CHECKING:
    from pytorch_lightning.core.optimizer import LightningOptimizer

WARM_UP = 0.3
"""Share of the steps during which the learning rate of ``one-cycle`` rises."""
LOWEST = 1e-2
"""Learning rate at the first step of ``one-cycle``, as a share of the peak."""

Batches = Mapping[str, CrystalBatch]
"""One batch per dataset."""


class TrainingModule(pl.LightningModule):
    """One shared encoder, a head per task, and the strategy that joins their losses.

    Args:
        encoder: Shared by all tasks.
        tasks: What is trained, with fitted heads.
        strategy: What gradient each parameter receives.
        training: Optimiser and schedule.
        steps: Optimiser steps of the whole run, for the schedule.
    """

    def __init__(
        self,
        encoder: Encoder,
        tasks: Sequence[Task],
        strategy: Strategy,
        training: TrainingConfig,
        steps: int,
    ) -> None:
        """Register the modules."""
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(task.head for task in tasks)
        self.strategy_module = strategy
        self.tasks = tuple(tasks)
        self.settings = training
        self.steps = steps
        self.automatic_optimization = not strategy.manual
        self._metrics = [_named_metrics(task) for task in tasks]
        # Registered as modules, so that they follow the model to its device.
        self.validation_metrics = nn.ModuleList(nn.ModuleDict(named) for named in self._metrics)

    def losses(self, batches: Batches) -> dict[str, Tensor]:
        """Return the loss of each task that has a label in this step."""
        return {
            task.key: _loss(task, prediction, batch)
            for task, prediction, batch in self.predictions(batches)
        }

    def predictions(
        self, batches: Batches
    ) -> Iterator[tuple[Task, dict[str, Tensor], CrystalBatch]]:
        """Yield each task that has a label in this step with its prediction and batch.

        Each dataset's batch is encoded once, whatever the number of its tasks.
        """
        for dataset, batch in batches.items():
            tasks = [task for task in self.tasks if task.dataset == dataset and _has(task, batch)]
            if not tasks:
                continue
            embedding = self.encoder(batch)
            for task in tasks:
                yield task, task.head(embedding, batch), batch

    def training_step(self, batch: Batches, batch_idx: int) -> Tensor:
        """Take one step on one batch per dataset."""
        losses = self.losses(batch)
        for key, loss in losses.items():
            self._log(f"train/{key}/loss", loss, batch)
        total = self.strategy_module.combine(losses)
        self._log("train/loss", total, batch, bar=True)
        if self.strategy_module.manual:
            self._manual_step(losses)
        return total

    def validation_step(self, batch: Batches, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Score one batch per dataset."""
        losses = []
        for task, prediction, crystals in self.predictions(batch):
            losses.append(_loss(task, prediction, crystals))
            _update(self._metrics[self.tasks.index(task)], task, prediction, crystals)
        if losses:
            self._log("validation/loss", torch.stack(losses).sum(), batch, bar=True)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the epoch, in physical units, and start anew."""
        for task, metrics in zip(self.tasks, self._metrics, strict=True):
            for name, metric in metrics.items():
                if metric.update_called:
                    self.log(f"validation/{task.dataset}/{name}", metric.compute())
                metric.reset()

    def configure_optimizers(self) -> Any:
        """Return one AdamW over encoder, heads and strategy, with its schedule per step."""
        optimiser = torch.optim.AdamW(
            [parameter for parameter in self.parameters() if parameter.requires_grad],
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )
        # Not trainer.estimated_stepping_batches: asking for it sets up the loaders before their
        # state is restored, and a resumed epoch would start from its first batch.
        schedule = LambdaLR(optimiser, learning_rate_factor(self.settings.schedule, self.steps))
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _manual_step(self, losses: Mapping[str, Tensor]) -> None:
        optimiser = cast("LightningOptimizer", self.optimizers())
        schedule = cast("LambdaLR", self.lr_schedulers())
        optimiser.zero_grad()
        shared = tuple(self.encoder.parameters())
        heads = {task.key: tuple(task.head.parameters()) for task in self.tasks}
        self.strategy_module.set_gradients(losses, Parameters(shared, heads))
        if self.settings.gradient_clip is not None:
            self.clip_gradients(optimiser.optimizer, self.settings.gradient_clip, "norm")
        optimiser.step()
        schedule.step()

    def _log(self, name: str, value: Tensor, batch: Batches, *, bar: bool = False) -> None:
        count = sum(crystals.num_crystals for crystals in batch.values())
        self.log(name, value.detach(), prog_bar=bar, on_step=False, on_epoch=True, batch_size=count)


def learning_rate_factor(schedule: str, steps: int) -> Callable[[int], float]:
    """Return step → share of the peak learning rate.

    Args:
        schedule: ``one-cycle``, ``cosine`` or ``constant``.
        steps: Number of optimiser steps of the run; beyond it the last value holds.

    Returns:
        A function of the step, with values in (0, 1].
    """

    def cosine(progress: float) -> float:
        return 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))

    def factor(step: int) -> float:
        progress = step / steps
        if schedule == "constant":
            return 1.0
        if schedule == "one-cycle" and progress < WARM_UP:
            return LOWEST + (1.0 - LOWEST) * (1.0 - cosine(progress / WARM_UP))
        start = WARM_UP if schedule == "one-cycle" else 0.0
        return max(cosine((progress - start) / (1.0 - start)), 1e-4)

    return factor


def _has(task: Task, batch: CrystalBatch) -> bool:
    """Return whether the batch carries a label of the task; decided on names, not on values."""
    return any(info.name in batch.targets for info in task.head.targets)


def _loss(task: Task, prediction: Mapping[str, Tensor], batch: CrystalBatch) -> Tensor:
    return task.head.loss(prediction, task.head.normalise(batch), task.head.mask(batch))


def _update(
    metrics: Mapping[str, Metric], task: Task, prediction: Mapping[str, Tensor], batch: CrystalBatch
) -> None:
    """Feed the labelled values of a batch to the task's metrics."""
    physical, mask = task.head.to_physical(prediction, batch), task.head.mask(batch)
    for name, metric in metrics.items():
        target = name.rpartition("/")[0]
        known = mask[target]
        metric.update(physical[target][known], batch.targets[target][known])


def _named_metrics(task: Task) -> dict[str, Metric]:
    """Return the task's metrics as one flat dictionary, ``"<target>/<metric>"``."""
    return {
        f"{target}/{name}": metric
        for target, named in task.head.metrics().items()
        for name, metric in named.items()
    }
