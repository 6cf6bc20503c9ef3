"""The optimiser of a run: which weights decay, and how the learning rate moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.muon import Muon, matrices_of
from matsciml_core.training.plan import Plan

LOWEST = 1e-2
"""Learning rate at the first step of a warm-up, as a share of the peak."""
END = 1e-4
"""Learning rate at the last step, as a share of the peak; not zero, which would waste the step."""


def build_optimiser(
    modules: Iterable[nn.Module],
    strategy: nn.Module,
    settings: TrainingConfig,
    encoder: nn.Module | None = None,
) -> torch.optim.AdamW:
    """Build the optimiser over all that is trained, with decay for those weights that it helps.

    Args:
        modules: Encoder and heads.
        strategy: Its parameters are weights of losses; decay would pull them all to one value.
        settings: Optimiser, learning rate and weight decay.
        encoder: That of the modules whose share of the learning rate is ``encoder_rate``.
    """
    decaying: list[nn.Parameter] = []
    others = [one for one in strategy.parameters() if one.requires_grad]
    for module in modules:
        decays = decaying_parameters(module)
        for parameter in module.parameters():
            if parameter.requires_grad:
                (decaying if id(parameter) in decays else others).append(parameter)
    groups: list[dict[str, Any]] = [{"params": decaying}, {"params": others, "weight_decay": 0.0}]
    if encoder is not None and settings.encoder_rate < 1.0:
        old = {id(one) for one in encoder.parameters()}
        slow = [
            {**group, "params": [one for one in group["params"] if id(one) in old]}
            for group in groups
        ]
        for group in groups:
            group["params"] = [one for one in group["params"] if id(one) not in old]
        # Last, because the learning rate that is logged is that of the first group.
        groups += [
            {**group, "lr": settings.encoder_rate * settings.learning_rate} for group in slow
        ]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "muon":
        return Muon(groups, matrices_of(decaying), lr=rate, weight_decay=decay)
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)


def decaying_parameters(module: nn.Module) -> set[int]:
    """Return the ``id`` of each parameter that weight decay is for: the matrices of linear maps.

    Biases, gains of normalisation layers, frequencies and other vectors have no scale that decay
    could limit, and rows of an embedding would shrink for elements that a batch happens not to
    have. Matrices may be stored flat in a vector: a module that does so tells it by
    ``weight_numel``, as those of e3nn do.

    Args:
        module: Encoder or head.
    """
    decays = set()
    for owner in module.modules():
        if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
            continue
        for name, parameter in owner.named_parameters(recurse=False):
            flat = name == "weight" and hasattr(owner, "weight_numel")
            if "bias" not in name and (parameter.dim() > 1 or flat):
                decays.add(id(parameter))
    return decays


def learning_rate_factor(settings: TrainingConfig, plan: Plan) -> Callable[[int], float]:
    """Return step → share of the peak learning rate, for the plan as it is when asked.

    Args:
        settings: With the schedule.
        plan: How far the run is at a step.

    Returns:
        A function of the step, with values in (0, 1]; beyond the last step its value holds.
    """

    def factor(step: int) -> float:
        if settings.schedule == "constant":
            return 1.0
        rise, fall = plan.progress(step)
        if settings.schedule == "one-cycle" and rise < 1.0:
            return LOWEST + (1.0 - LOWEST) * (1.0 - _cosine(rise))
        # Adam's second moments are those of few gradients at first, and its steps too long.
        risen = min(max(rise, LOWEST), 1.0)
        if settings.schedule == "plateau":
            return risen * max(settings.plateau_factor**plan.lowered, END)
        return risen * max(_cosine(fall), END)

    return factor


def _cosine(progress: float) -> float:
    """Fall from 1 to 0 as half a period of a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))
