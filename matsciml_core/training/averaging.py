"""The average of the weights over the steps, which is validated, tested and saved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

if TYPE_CHECKING:
    from matsciml_core.training.plan import Plan

_LIVE = "live_weights"
"""Name in a checkpoint of the weights that the optimiser moves; ``state_dict`` has the average."""


class WeightAverage(Callback):
    """Averages the weights over the steps, and lets the average stand in for them in validation.

    After step t, θ̄ ← d θ̄ + (1 − d) θ with d = min(decay, (1 + t) / (10 + t)): the average reaches
    back over about a ninth of the steps so far, so that a short run is not held back by its initial
    weights. The rule is that of TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``.

    With ``last`` it is the plain mean over the last steps instead, and the weights themselves
    before (Izmailov et al. 2018, arXiv:1803.05407, who average once per epoch).

    Buffers in floating point are averaged likewise. Those that move are statistics of normalisation
    layers, which describe the weights of their time; constants are their own average. Of counters
    and indices, which are integers, the averaged model has those of the model in training.

    Lightning's ``EMAWeightAveraging`` has no such start, and visits tensor after tensor, which took
    14 to 34 times as long in measurements; here one call works on all tensors.

    Args:
        decay: Largest decay per step, dimensionless, below 1.
        last: Share of the steps that have equal parts in the mean; None: the exponential average.
        plan: How many steps there are; needed with ``last``.
    """

    def __init__(self, decay: float, last: float | None = None, plan: Plan | None = None) -> None:
        """Start without an average; the weights are not there yet."""
        self.decay = decay
        self.last = last
        self.plan = plan
        self._weights: dict[str, Tensor] = {}
        self._average: list[Tensor] = []
        self._loaded: dict[str, Tensor] | None = None
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the average at the initial weights, or go on with that of a checkpoint."""
        # The weights are on their device by now. Those of a checkpoint were loaded as the average,
        # which is what a checkpoint's ``state_dict`` holds.
        tensors = {name: one.detach() for name, one in averaged_tensors(pl_module).items()}
        self._weights = tensors
        self._average = [tensor.clone() for tensor in tensors.values()]
        self._step = trainer.global_step
        if self._loaded is not None:
            torch._foreach_copy_([*tensors.values()], [self._loaded[name] for name in tensors])
            self._loaded = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: object
    ) -> None:
        """Move the average, where the batch ended a step."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        torch._foreach_lerp_(self._average, [*self._weights.values()], 1.0 - self._decay())

    def _decay(self) -> float:
        """Return the share of the average so far in the next one, dimensionless."""
        if self.last is None:
            # Short at first, or the random weights of the start would stay in it for long.
            return min(self.decay, (1 + self._step) / (10 + self._step))
        steps = None if self.plan is None else self.plan.steps
        if steps is None:  # a budget of time has not chosen the length yet
            return 0.0
        # A plain mean of the last steps, as a decay that grows: (n − 1)/n of the mean of n − 1.
        averaged = self._step - math.floor((1.0 - self.last) * steps)
        return max(averaged - 1, 0) / max(averaged, 1)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average in the place of the weights."""
        self._swap()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the weights back, bit for bit."""
        self._swap()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average as the model's state, and the weights in training beside it."""
        checkpoint[_LIVE] = self._weights
        state = checkpoint["state_dict"]  # without buffers that are not persistent
        averages = zip(self._weights, self._average, strict=True)
        state.update({name: average for name, average in averages if name in state})

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the weights in training until the model is on its device."""
        self._loaded = checkpoint.get(_LIVE)

    def _swap(self) -> None:
        weights = [*self._weights.values()]
        kept = [tensor.clone() for tensor in weights]
        torch._foreach_copy_(weights, self._average)
        torch._foreach_copy_(self._average, kept)


def averaged_tensors(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return the tensors of which there is an average, by name.

    Args:
        module: The model in training; weights that it does not train are left out.

    Returns:
        Trained weights, and finite buffers in floating point.
    """
    trained = {name: one for name, one in module.named_parameters() if one.requires_grad}
    # The average of an infinite constant, such as one that masks a softmax, would be ∞ − ∞.
    buffers = {
        name: one
        for name, one in module.named_buffers()
        if one.is_floating_point() and bool(one.isfinite().all())
    }
    return trained | buffers
