"""The Lightning modules: one mechanism for one task, several tasks, and several datasets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.head import with_gradients
from matsciml_core.interfaces.strategy import Parameters, Strategy, Task
from matsciml_core.model.evaluate import compute_metric, update_metric
from matsciml_core.training import distributed
from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.epoch_means import EpochMeans
from matsciml_core.training.gradient_angles import AngleRecorder
from matsciml_core.training.gradients import TaskGradients
from matsciml_core.training.optimiser import build_optimiser, learning_rate_factor
from matsciml_core.training.plan import Plan

if TYPE_CHECKING:
    from pytorch_lightning.core.optimizer import LightningOptimizer

_RANDOM = "random_states"
_LOSSES = "epoch_losses"
"""Names in a checkpoint."""

Batches = Mapping[str, CrystalBatch]
"""One batch per dataset."""
Predictions = Mapping[str, tuple[dict[str, Tensor], CrystalBatch]]
"""A head's prediction, and the batch that it is of, by task."""


class TrainingModule(pl.LightningModule):
    """One shared encoder, a head per task, and the strategy that joins their losses.

    Optimisation is by hand for every strategy, so that accumulation, averaging over ranks,
    clipping and leaving out steps that are not finite are one mechanism, whether a strategy
    works on losses or on gradients.

    Args:
        encoder: Shared by all tasks.
        tasks: What is trained, with fitted heads.
        strategy: What gradient each parameter receives.
        training: Optimiser and schedule.
        plan: How many steps there are, for the schedule.
    """

    between_steps = True
    """Whether no gradients are waiting for further batches of their step."""
    finite: Tensor | None = None
    """Whether the last step could be made: 1, or 0 where it was left out; on the device."""

    def __init__(
        self,
        encoder: Encoder,
        tasks: Sequence[Task],
        strategy: Strategy,
        training: TrainingConfig,
        plan: Plan,
    ) -> None:
        """Register the modules."""
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(task.head for task in tasks)
        self.strategy_module = strategy
        self.tasks = tuple(tasks)
        self.settings = training
        self.plan = plan
        self.automatic_optimization = False
        strategy.setup(self.tasks)
        self.angles = AngleRecorder(encoder, [task.key for task in tasks])
        self._gradients: TaskGradients | None = None
        self._inspected = False
        self._random: dict[str, Tensor] = {}
        self._losses = {"train": EpochMeans(), "validation": EpochMeans()}
        self._skipped: Tensor | None = None
        self._metrics = [
            {
                # Sums in float32 would lose the last digits, and R² of labels far from zero more.
                f"{target}/{name}": metric.set_dtype(torch.float64)
                for target, named in task.head.metrics().items()
                for name, metric in named.items()
            }
            for task in tasks
        ]
        # Registered as modules, so that they follow the model to its device.
        self.validation_metrics = nn.ModuleList(nn.ModuleDict(named) for named in self._metrics)

    def train(self, mode: bool = True) -> Self:
        """Switch dropout and the like on or off; an encoder that learns nothing stays still."""
        super().train(mode)
        if not any(one.requires_grad for one in self.encoder.parameters()):
            self.encoder.eval()
        return self

    def losses(self, batches: Batches) -> dict[str, Tensor]:
        """Return the loss of each task that has a label in this step.

        In a distributed run these are the tasks that have a label on any rank, and each loss is
        weighted such that its mean over the ranks is the mean over all labels.
        """
        return self._losses_of(self.predictions(batches))

    def predictions(self, batches: Batches) -> Predictions:
        """Return prediction and batch of each task that has a label in this step, by its key.

        Each dataset's batch is encoded once, whatever the number of its tasks.
        """
        found: dict[str, tuple[dict[str, Tensor], CrystalBatch]] = {}
        for dataset, batch in batches.items():
            # By the names of labels, not by their values, which are on the device: looking at them
            # would wait for it in every step.
            tasks = [
                task
                for task in self.tasks
                if task.dataset == dataset
                and any(info.name in batch.targets for info in task.head.targets)
            ]
            if not tasks:
                continue
            crystals = with_gradients(batch, [task.head for task in tasks])
            embedding = self.encoder(crystals)
            found |= {task.key: (task.head(embedding, crystals), crystals) for task in tasks}
        return found

    def training_step(self, batch: Batches, batch_idx: int) -> None:
        """Add the gradients of one batch per dataset, and step once enough have been added."""
        # As long as a budget of time has not chosen the number of steps, hardly any are made.
        self._tell_progress(self.global_step / self.plan.steps if self.plan.steps else 0.0)
        losses, count = self._losses_of(self.predictions(batch)), _count(batch)
        for key, loss in losses.items():
            self._losses["train"].add(f"train/{key}/loss", loss, count)
        # The last step of an epoch may have fewer batches than the others.
        most = self.settings.accumulate_batches
        first = batch_idx - batch_idx % most
        batches = int(min(most, max(self.trainer.num_training_batches - first, 1)))
        # Sums over gradients must not be taken in reduced precision.
        with torch.autocast(self.device.type, enabled=False):
            if first == batch_idx:
                self._begin()
            if losses:
                total = self.strategy_module.combine(losses)
                self._losses["train"].add("train/loss", total, count)
                alone = self.strategy_module.needs_task_gradients
                if self._gradients is not None:
                    scaled = {key: loss / batches for key, loss in losses.items()}
                    self._gradients.add(scaled, keep_graph=not alone)
                if not alone:
                    torch.autograd.backward(total / batches)
            self.between_steps = batch_idx + 1 == first + batches
            if self.between_steps:
                self._step()

    def validation_step(self, batch: Batches, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Score one batch per dataset."""
        self._tell_progress(1.0)
        graph = any(task.head.needs_position_gradient for task in self.tasks)
        with torch.set_grad_enabled(graph):
            found = self.predictions(batch)
        with torch.no_grad():
            for task, metrics in zip(self.tasks, self._metrics, strict=True):
                if task.key not in found:
                    continue
                prediction, crystals = found[task.key]
                physical = task.head.inverse_transform(prediction, crystals)
                mask = task.head.mask(crystals)
                for name, metric in metrics.items():
                    label = name.rpartition("/")[0]
                    if label in crystals.targets:
                        present = mask[label]
                        truth = crystals.targets[label][present]
                        update_metric(metric, physical[label][present], truth)
            losses = self._losses_of(found)
        if losses:
            total = torch.stack([*losses.values()]).sum()
            self._losses["validation"].add("validation/loss", total, _count(batch))

    def on_validation_epoch_end(self) -> None:
        """Log loss and metrics of the epoch, these in physical units, and start anew."""
        self._log_losses("validation")
        named = [
            (f"validation/{task.dataset}/{name}", metric)
            for task, metrics in zip(self.tasks, self._metrics, strict=True)
            for name, metric in metrics.items()
        ]
        updated = distributed.on_any_rank([metric.update_called for _, metric in named])
        with warnings.catch_warnings():
            # A rank without rows has a state all the same: that of no rows.
            warnings.filterwarnings("ignore", ".*compute.*before the.*update", UserWarning)
            for (name, metric), on_any_rank in zip(named, updated, strict=True):
                if on_any_rank:  # computing is a collective operation: all ranks, or none
                    self.log(name, compute_metric(metric))
                metric.reset()

    def configure_optimizers(self) -> Any:
        """Return one optimiser over encoder, heads and strategy, with its schedule per step."""
        modules = (self.encoder, self.heads)
        optimiser = build_optimiser(modules, self.strategy_module, self.settings, self.encoder)
        # Not trainer.estimated_stepping_batches: asking for it sets up the loaders before their
        # state is restored, and a resumed epoch would start from its first batch.
        schedule = LambdaLR(optimiser, learning_rate_factor(self.settings, self.plan))
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the states of the random numbers, which dropout draws from, and the losses so far."""
        checkpoint[_LOSSES] = self._losses["train"].state_dict()
        checkpoint[_RANDOM] = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            checkpoint[_RANDOM]["cuda"] = torch.cuda.get_rng_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the states until training starts: until then others draw numbers, too."""
        self._random = checkpoint.get(_RANDOM, {})
        if _LOSSES in checkpoint:
            self._losses["train"].load_state_dict(checkpoint[_LOSSES])

    def on_train_start(self) -> None:
        """Go on with the random numbers where the checkpoint stopped."""
        if "cpu" in self._random:
            torch.set_rng_state(self._random["cpu"])
        if "cuda" in self._random and self.device.type == "cuda":
            torch.cuda.set_rng_state(self._random["cuda"], self.device)
        self._random = {}

    @property
    def parameters_by_role(self) -> Parameters:
        """The parameters, shared ones and those of each task's head."""
        heads = {task.key: tuple(task.head.parameters()) for task in self.tasks}
        return Parameters(tuple(self.encoder.parameters()), heads)

    def _tell_progress(self, progress: float) -> None:
        """Tell the heads which share of the steps has been made, 0 to 1, dimensionless."""
        for task in self.tasks:
            task.head.progress = min(progress, 1.0)

    def _begin(self) -> None:
        """Start a step: no gradients yet."""
        cast("LightningOptimizer", self.optimizers()).zero_grad()
        every = self.settings.inspect_gradients
        self._inspected = every > 0 and self.global_step % every == 0 and len(self.tasks) > 1
        self._gradients = None
        if self.strategy_module.needs_task_gradients or self._inspected:
            roles = self.parameters_by_role
            heads = roles.heads if self.strategy_module.needs_task_gradients else {}
            keys = [task.key for task in self.tasks]
            self._gradients = TaskGradients(Parameters(roles.shared, heads), keys)

    def _step(self) -> None:
        """Let the strategy decide, and move the parameters."""
        optimiser = cast("LightningOptimizer", self.optimizers())
        # What the optimiser moves: going through all modules for it takes as long as its step.
        parameters = [one for group in optimiser.param_groups for one in group["params"]]
        distributed.average_gradients(parameters)
        if self._gradients is not None:
            gradients, self._gradients = self._gradients, None
            gradients.average_over_ranks()
            if self._inspected:
                self.angles.record(self.global_step, gradients)
            if self.strategy_module.needs_task_gradients and gradients.losses:
                matrix = gradients.matrix()
                gradients.assign(self.strategy_module.aggregate(matrix, gradients.losses))
        norm = nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
        if self.settings.gradient_clip is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.settings.gradient_clip, norm)
        # The norm is infinite or NaN where any gradient is. Asking it on the host would wait for
        # the device; a fused optimiser reads the flag on its own device and leaves the step out.
        finite = self.finite = norm.isfinite().to(torch.float32)
        skipped = 1.0 - finite
        optimiser.optimizer.found_inf = skipped  # type: ignore[attr-defined]
        optimiser.step()
        cast("LambdaLR", self.lr_schedulers()).step()
        self._skipped = skipped if self._skipped is None else self._skipped + skipped

    def _losses_of(self, found: Predictions) -> dict[str, Tensor]:
        """Return the loss of each task, see :meth:`losses`."""
        if distributed.world_size() > 1:
            return self._joint_losses(found)
        losses = {}
        for task in self.tasks:
            if task.key in found:
                prediction, batch = found[task.key]
                losses[task.key] = _loss(task, prediction, batch, task.head.mask(batch))
        return losses

    def _joint_losses(self, found: Predictions) -> dict[str, Tensor]:
        """Return this rank's share of the losses of all ranks."""
        present = distributed.on_any_rank([task.key in found for task in self.tasks])
        # One message for the numbers of labels of all targets, padded to the task with most.
        most = max(len(task.head.targets) for task in self.tasks)
        counts = torch.zeros(len(self.tasks), most, dtype=torch.float64, device=self.device)
        for row, task in zip(counts, self.tasks, strict=True):
            if task.key in found:
                masks = task.head.mask(found[task.key][1])
                for column, info in enumerate(task.head.targets):
                    row[column] = masks[info.name].sum()
        factors = distributed.loss_weights(counts)  # (tasks, targets)
        losses = {}
        for task, here, shares in zip(self.tasks, present, factors, strict=True):
            if task.key in found:
                losses[task.key] = _shared_loss(task, *found[task.key], shares)
            elif here:  # on another rank; a leaf, so that a strategy can differentiate it
                losses[task.key] = torch.zeros((), device=self.device, requires_grad=True)
        return losses

    def log_training(self) -> None:
        """Log losses and skipped steps of the epoch, and start anew."""
        self._log_losses("train")
        if self._skipped is not None:  # the same on every rank
            self.log("train/skipped_steps", self._skipped)
            self._skipped = None

    def take_losses(self, part: str) -> dict[str, Tensor]:
        """Return the mean losses since they were last taken, ``()`` each, dimensionless.

        Args:
            part: ``train`` or ``validation``; names begin with it, as ``train/loss``.
        """
        return self._losses[part].take()

    def _log_losses(self, part: str) -> None:
        for name, mean in self.take_losses(part).items():
            self.log(name, mean, prog_bar=name == f"{part}/loss")


def _count(batches: Batches) -> int:
    """Return the number of crystals in a step, on all ranks: what its losses are means over."""
    return distributed.sum_over_ranks(sum(crystals.num_crystals for crystals in batches.values()))


def _loss(
    task: Task, prediction: Mapping[str, Tensor], batch: CrystalBatch, mask: Mapping[str, Tensor]
) -> Tensor:
    """Return the loss of a task, weighted where the batch has weights for one of its targets."""
    labels = task.head.transform(batch)
    weights = {
        info.name: (
            batch.weights[info.name][batch.crystal_index]
            if info.per_atom
            else batch.weights[info.name]
        )
        for info in task.head.targets
        if info.name in batch.weights
    }
    if not weights:  # heads need not have the argument
        return task.head.loss(prediction, labels, mask)
    return task.head.loss(prediction, labels, mask, weights)


def _shared_loss(
    task: Task, prediction: Mapping[str, Tensor], batch: CrystalBatch, shares: Tensor
) -> Tensor:
    """Return the loss with this rank's share of each target, whose losses are means of their own.

    The loss of a head is a sum over its targets, so that masking all but one gives its part.
    """
    masks = task.head.mask(batch)
    parts = []
    for info, share in zip(task.head.targets, shares, strict=False):
        alone = {
            name: mask if name == info.name else torch.zeros_like(mask)
            for name, mask in masks.items()
        }
        parts.append(share * _loss(task, prediction, batch, alone))
    return torch.stack(parts).sum()
