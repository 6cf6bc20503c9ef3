"""Metrics of a trained model on a subset of the data, beside those of baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, Metric

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.head import TaskHead, with_gradients
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.uncertainty import Calibration, calibrate, has_interval
from matsciml_core.registry.targets import TargetInfo

MODEL = "model"
"""Name under which the model's own metrics are kept beside those of baselines."""
PER_ATOM = "mae_per_atom"
"""Extra metric of extensive labels, such as total energies: the mean absolute error of the value
divided by the number of atoms, in the label's unit per atom. A head's metrics see no numbers of
atoms, so that it is made here."""
MOST_ROWS = 100_000
"""Labelled rows (crystals, or atoms) of a target whose predictions are kept for the file and the
figures. Metrics are of all rows."""
MOST_VALUES = 1_000_000
"""The same in single numbers, for labels with many per row, such as densities of states."""

Beside = Mapping[str, Mapping[str, Mapping[str, Tensor]]]
"""Predictions of baselines by ``"<dataset>/<target>"``, name of the baseline and id of the crystal:
one value in the label's unit; of classes probabilities."""


@dataclass
class Scores:
    """Metrics of one target on a subset, and rows of labels and predictions."""

    info: TargetInfo
    """The label."""
    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    """Metrics by predictor (``model``, ``mean``, …) and name."""
    count: int = 0
    """Labelled rows: crystals, or atoms for a label per atom."""
    ids: list[str] = field(default_factory=list)
    """Id of the crystal of each kept row."""
    atoms: list[int] = field(default_factory=list)
    """Place within its crystal of the atom of each kept row; 0 for a label per crystal."""
    labels: list[Tensor] = field(default_factory=list)
    """Blocks of kept rows, float64."""
    predictions: list[Tensor] = field(default_factory=list)
    """Blocks of kept rows, float64; for classes probabilities."""
    spreads: list[Tensor] = field(default_factory=list)
    """Standard deviations of the predictions, in blocks of kept rows, float64, in the label's unit;
    empty where the head knows none."""
    sizes: list[int] = field(default_factory=list)
    """Number of atoms of the crystal of each kept row."""

    def summary(self, predictor: str) -> dict[str, Any]:
        """Return a predictor's metrics as plain numbers, with unit, count and skill.

        Skill is 1 − MAE / MAE of predict-the-mean (where there is none, of predict-zero): 1 is
        perfect, 0 is no better.
        """
        metrics = self.metrics[predictor]
        values = {name: compute_metric(metric).item() for name, metric in metrics.items()}
        baseline = self.metrics.get("mean") or self.metrics.get("zero") or {}
        if "mae" in baseline and "mae" in values:
            reference = baseline["mae"].compute().item()
            values["skill"] = 1.0 - values["mae"] / reference if reference else float("nan")
        return {**values, "unit": self.info.unit, "count": self.count}

    @property
    def predictors(self) -> list[str]:
        """Names of the baselines."""
        return [name for name in self.metrics if name != MODEL]

    @property
    def calibration(self) -> Calibration | None:
        """Intervals that hold the labels, where those are one number for a crystal."""
        if not has_interval(self.info) or not self.ids:
            return None
        errors = torch.cat(self.predictions) - torch.cat(self.labels)
        return calibrate(
            errors.numpy(),
            spreads=torch.cat(self.spreads).numpy() if self.spreads else None,
            atoms=np.array(self.sizes) if self.info.extensive else None,
        )

    def keep(
        self, batch: CrystalBatch, rows: Tensor, values: Tensor, spread: Tensor | None = None
    ) -> None:
        """Keep labels and predictions of a batch, up to ``MOST_ROWS`` rows in all.

        Args:
            batch: The crystals.
            rows: Labelled crystals, or atoms, in ascending order, ``(rows,)`` int64, dimensionless.
            values: The model's prediction for all crystals, or atoms, ``(crystals, *shape)`` or
                ``(atoms, *shape)``, in the label's unit; of classes probabilities.
            spread: Standard deviation of each value, ``(crystals,)``, in the label's unit; None:
                not known.
        """
        info = self.info
        self.count += len(rows)
        if info.kind == "structure":  # nothing to compare value by value
            return
        most = max(min(MOST_ROWS, MOST_VALUES // info.width), 1)
        rows = rows[: most - len(self.ids)]
        owners = batch.crystal_index[rows] if info.per_atom else rows
        first = batch.atoms_per_crystal.cumsum(0) - batch.atoms_per_crystal
        atoms = rows - first[owners] if info.per_atom else torch.zeros_like(rows)
        self.ids.extend(batch.ids[owner] for owner in owners.tolist())
        self.atoms.extend(atoms.tolist())
        self.labels.append(batch.targets[info.name][rows].to("cpu", torch.float64))
        self.predictions.append(values[rows].to("cpu", torch.float64))
        self.sizes.extend(batch.atoms_per_crystal[owners].tolist())
        if spread is not None:
            self.spreads.append(spread[rows].to("cpu", torch.float64))


def update_metric(metric: Metric, prediction: Tensor, truth: Tensor) -> None:
    """Show rows to a metric in float64.

    torchmetrics 1.9.0 adds up squares in the precision of its input: of labels with an offset that
    is large against their spread, R² in float32 comes out above one.

    Args:
        metric: Whose state is in float64.
        prediction: ``(rows, …)``, in the label's unit.
        truth: ``(rows, …)``, in the label's unit.
    """

    def widened(values: Tensor) -> Tensor:
        return values.to(torch.float64) if values.is_floating_point() else values

    metric.update(widened(prediction), widened(truth))


def undefined(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say which metrics are undefined, and why, in a sentence for each label.

    Args:
        metrics: Those of the model by label.
    """
    notes = []
    for key, values in metrics.items():
        names = [name for name, one in values.items() if isinstance(one, float) and one != one]
        if names:
            rows = values["count"]
            notes.append(
                f"{key}: {', '.join(names)} {'is' if len(names) == 1 else 'are'} undefined (nan) "
                f"for the {rows:,} {'value' if rows == 1 else 'values'} of the test set."
            )
    return notes


def compute_metric(metric: Metric) -> Tensor:
    """Return a metric of the rows that it has seen; NaN where these are too few for it.

    Args:
        metric: With at least one row.
    """
    try:
        value: Tensor = metric.compute()
    except ValueError:
        # torchmetrics raises it for R² of a single row, which a small validation set may have; the
        # other metrics are no worse for it, and a run must not stop there.
        return torch.tensor(torch.nan)
    return value


def evaluate(
    encoder: Encoder,
    tasks: Sequence[Task],
    batches: Mapping[str, Iterable[CrystalBatch | None]],
    device: torch.device,
    beside: Beside | None = None,
) -> dict[str, Scores]:
    """Score tasks on batches.

    Args:
        encoder: The shared encoder; put into evaluation mode.
        tasks: The tasks, with fitted heads.
        batches: The batches of each dataset.
        device: Where to compute.
        beside: What others predict for the same crystals.

    Returns:
        Scores by ``"<dataset>/<target>"``, metrics in float64 and physical units.
    """
    encoder.to(device).eval()
    for task in tasks:
        task.head.to(device).eval()
    scores: dict[str, Scores] = {}
    for dataset, stream in batches.items():
        for batch in filter(None, stream):
            present = [
                task
                for task in tasks
                if task.dataset == dataset
                and any(info.name in batch.targets for info in task.head.targets)
            ]
            if not present:
                continue
            outputs = predict_tasks(encoder, present, batch.to(device), spread=True)
            with torch.no_grad():
                for task, predicted, spread in zip(
                    present, outputs.values, outputs.spreads, strict=True
                ):
                    _score_task(task, (predicted, spread), outputs.batch, scores, beside or {})
    return scores


@dataclass(frozen=True)
class Outputs:
    """What the heads of several tasks say of a batch, in physical units."""

    batch: CrystalBatch
    """The batch that was embedded, whose positions may require gradients."""
    values: list[dict[str, Tensor]]
    """Predictions of each task by label."""
    spreads: list[dict[str, Tensor]]
    """Standard deviations of each task by label; empty where none are known or asked for."""


def predict_tasks(
    encoder: Encoder, tasks: Sequence[Task], batch: CrystalBatch, *, spread: bool = False
) -> Outputs:
    """Predict the labels of a batch of crystals, in physical units.

    Args:
        encoder: In evaluation mode.
        tasks: With heads in evaluation mode.
        batch: With the edges that the encoder asks for, on its device.
        spread: Whether to ask the heads for standard deviations, too.
    """
    heads = [task.head for task in tasks]
    # A head that differentiates with respect to positions needs a graph, also when scoring; what
    # calls this may have turned gradients off, or be in inference mode.
    graph = any(head.needs_position_gradient for head in heads)
    with torch.inference_mode(mode=False), torch.set_grad_enabled(graph):
        batch = with_gradients(batch, heads)
        embedding = encoder(batch)
        outputs = [head(embedding, batch) for head in heads]
    with torch.no_grad():
        found = [
            head.inverse_transform(output, batch)
            for head, output in zip(heads, outputs, strict=True)
        ]
        spreads = [
            head.uncertainty(embedding, batch) if spread and head.spread_targets else {}
            for head in heads
        ]
    return Outputs(batch, found, spreads)


def _score_task(
    task: Task,
    outputs: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    batch: CrystalBatch,
    scores: dict[str, Scores],
    beside: Beside,
) -> None:
    """Feed the labelled values of a batch to the metrics of the model and of the baselines."""
    predicted, spreads = outputs
    masks = task.head.mask(batch)
    baselines = task.head.baseline_predictions(batch)
    for info in task.head.targets:
        if info.name not in batch.targets:
            continue
        label, mask = batch.targets[info.name], masks[info.name]
        score = scores.setdefault(task.target_key(info.name), Scores(info))
        values = {MODEL: predicted[info.name]} | {
            name: value[info.name] for name, value in baselines.items() if info.name in value
        }
        for name, by_id in beside.get(task.target_key(info.name), {}).items():
            others = [by_id[crystal] for crystal in batch.ids]
            values[name] = torch.stack(others).to(label.device)
        for predictor, value in values.items():
            if predictor not in score.metrics:
                score.metrics[predictor] = _new_metrics(task.head, info)
            pairs: dict[str | None, tuple[Tensor, Tensor]] = {None: (value, label)}
            if info.extensive:
                atoms = batch.atoms_per_crystal.view(-1, *[1] * (label.dim() - 1))
                pairs[PER_ATOM] = value / atoms, label / atoms
            for name, metric in score.metrics[predictor].items():
                prediction, truth = pairs.get(name, pairs[None])
                update_metric(metric, prediction[mask].cpu(), truth[mask].cpu())
        rows = mask.flatten(1).all(1) if info.shape else mask
        indices = rows.nonzero()[:, 0]
        score.keep(batch, indices, predicted[info.name], spreads.get(info.name))


def _new_metrics(head: TaskHead, info: TargetInfo) -> dict[str, Metric]:
    """Return the metrics of a label, without any value yet."""
    metrics = head.metrics()[info.name]
    if info.extensive:
        metrics[PER_ATOM] = MeanAbsoluteError()
    # Sums over a whole test set, whose last digits float32 would lose.
    return {name: metric.set_dtype(torch.float64) for name, metric in metrics.items()}
