"""Scoring a trained model on a part of the data, beside trivial predictors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from matsciml_core.interfaces.crystal import CrystalBatch
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.head import TaskHead
from matsciml_core.interfaces.strategy import Task

MODEL = "model"
"""Name under which the model's own metrics are kept beside those of trivial predictors."""


@dataclass
class Scores:
    """What a part of the data says about one target."""

    unit: str
    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    """Metrics by predictor (``model``, ``mean``, …) and name."""
    ids: list[str] = field(default_factory=list)
    labels: list[Tensor] = field(default_factory=list)
    predictions: list[Tensor] = field(default_factory=list)

    def summary(self, predictor: str) -> dict[str, Any]:
        """Return a predictor's metrics as plain numbers, with unit, count and skill.

        Skill is 1 − MAE / MAE of predict-the-mean: 1 is perfect, 0 is no better than the mean.
        """
        values = {name: metric.compute().item() for name, metric in self.metrics[predictor].items()}
        mean = self.metrics.get("mean", {}).get("mae")
        if mean is not None and "mae" in values:
            reference = mean.compute().item()
            values["skill"] = 1.0 - values["mae"] / reference if reference else float("nan")
        return {**values, "unit": self.unit, "count": len(self.ids)}

    @property
    def predictors(self) -> list[str]:
        """Names of the trivial predictors."""
        return [name for name in self.metrics if name != MODEL]


def evaluate(
    encoder: Encoder,
    tasks: Sequence[Task],
    batches: Mapping[str, Iterable[CrystalBatch]],
    device: torch.device,
) -> dict[str, Scores]:
    """Score tasks on batches.

    Args:
        encoder: The shared encoder; put into evaluation mode.
        tasks: The tasks, with fitted heads.
        batches: The batches of each dataset.
        device: Where to compute.

    Returns:
        Scores by ``"<dataset>/<target>"``, metrics in float64 and physical units.
    """
    encoder.to(device).eval()
    for task in tasks:
        task.head.to(device).eval()
    scores: dict[str, Scores] = {}
    for dataset, stream in batches.items():
        mine = [task for task in tasks if task.dataset == dataset]
        for batch in stream:
            _score_batch(encoder, mine, batch.to(device), scores)
    return scores


def _score_batch(
    encoder: Encoder, tasks: Sequence[Task], batch: CrystalBatch, scores: dict[str, Scores]
) -> None:
    present = batch.targets.keys()
    tasks = [task for task in tasks if all(info.name in present for info in task.head.targets)]
    if not tasks:
        return
    # A head that differentiates with respect to positions needs a graph, also when scoring.
    graph = any(task.head.needs_position_gradient for task in tasks)
    with torch.set_grad_enabled(graph):
        embedding = encoder(batch)
        outputs = [task.head(embedding, batch) for task in tasks]
    with torch.no_grad():
        for task, output in zip(tasks, outputs, strict=True):
            _score_task(task, task.head.to_physical(output, batch), batch, scores)


def _score_task(
    task: Task, predicted: Mapping[str, Tensor], batch: CrystalBatch, scores: dict[str, Scores]
) -> None:
    mask = task.head.mask(batch)
    trivial = task.head.trivial_predictions(batch)
    for info in task.head.targets:
        known = mask[info.name]
        label = batch.targets[info.name][known].to("cpu")
        score = scores.setdefault(task.target_key(info.name), Scores(info.unit))
        values = {MODEL: predicted[info.name]} | {
            name: prediction[info.name] for name, prediction in trivial.items()
        }
        for predictor, value in values.items():
            metrics = score.metrics.setdefault(predictor, _fresh(task.head, info.name))
            for metric in metrics.values():
                metric.update(value[known].to("cpu"), label)
        score.labels.append(label.to(torch.float64))
        score.predictions.append(predicted[info.name][known].to("cpu", torch.float64))
        score.ids.extend(_ids_of(known, batch, per_atom=info.per_atom))


def _fresh(head: TaskHead, target: str) -> dict[str, Metric]:
    metrics = head.metrics()[target]
    return {name: metric.set_dtype(torch.float64) for name, metric in metrics.items()}


def _ids_of(known: Tensor, batch: CrystalBatch, *, per_atom: bool) -> list[str]:
    """Return the crystal's id for each labelled value."""
    places = known.nonzero()[:, 0].to("cpu")
    owners = batch.crystal_index.to("cpu")[places] if per_atom else places
    return [batch.ids[owner] for owner in owners.tolist()]
