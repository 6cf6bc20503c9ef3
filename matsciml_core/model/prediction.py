"""What a model says of a structure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.uncertainty import COVERAGE, Calibration
from matsciml_core.registry.targets import TargetInfo


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one structure."""

    id: str
    """The structure's."""
    values: Mapping[str, Any]
    """By label, in the shape that the label declares: a number, ``(3, 3)`` for a matrix, with one
    row per atom for a label per atom; for classes the index of the most likely one. In the label's
    unit, see ``units``."""
    units: Mapping[str, str]
    """Unit of each label; ``class`` for class indices."""
    probabilities: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Of each class, ``(classes,)``, by label; only for labels that are classes."""
    spreads: Mapping[str, Any] = field(default_factory=dict)
    """Standard deviation of each value, in its shape and unit, where the model knows one and was
    asked; of classes that of the probability of the most likely one."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Lower and upper end of an interval that holds as many labels as its ``coverage`` says, in the
    label's unit; NaN where an end is not known."""
    unseen_elements: tuple[str, ...] = ()
    """Elements of the structure that no training crystal had; what is predicted is a guess."""

    def __getitem__(self, label: str) -> Any:
        """Return the value of a label.

        Raises:
            ConfigError: The model does not predict it.
        """
        if label not in self.values:
            raise ConfigError(
                f"The model does not predict '{label}'.{did_you_mean(label, self.values)} Labels: "
                f"{', '.join(self.values)}."
            )
        return self.values[label]


def name_labels(tasks: Sequence[Task]) -> dict[str, tuple[Task, TargetInfo]]:
    """Name the labels of all heads: their own name, or ``dataset/label`` where several share it.

    What makes structures is no label of one, and is left out.
    """
    pairs = [
        (task, info) for task in tasks for info in task.head.targets if info.kind != "structure"
    ]
    counts = Counter(info.name for _, info in pairs)
    return {
        info.name if counts[info.name] == 1 else task.target_key(info.name): (task, info)
        for task, info in pairs
    }


def take_apart(
    crystals: Sequence[Crystal],
    values: Mapping[str, Tensor],
    labels: Mapping[str, TargetInfo],
    unseen: Callable[[Crystal], tuple[str, ...]],
    spreads: Mapping[str, Tensor] | None = None,
) -> Iterator[Prediction]:
    """Yield the predictions of a batch's crystals, in order.

    Args:
        crystals: The batch's.
        values: By label, ``(crystals, *shape)``, or ``(atoms, *shape)`` per atom, on the CPU, in
            the label's unit; of classes probabilities, dimensionless.
        labels: What each value is.
        unseen: Says which elements of a crystal the model has never seen.
        spreads: Standard deviations by label, ``(crystals,)``, in the label's unit.
    """
    units = {name: info.unit for name, info in labels.items()}
    first = 0
    for number, crystal in enumerate(crystals):
        atoms = slice(first, first + crystal.num_atoms)
        first = atoms.stop
        rows = {
            name: values[name][atoms if info.per_atom else number].numpy()
            for name, info in labels.items()
        }
        # Of two classes a head gives the probability of the second, and the first is what is left.
        probabilities = {
            name: np.stack((1.0 - rows[name], rows[name]), axis=-1)
            if info.kind == "binary"
            else rows[name]
            for name, info in labels.items()
            if info.is_class
        }
        most_likely = {name: row.argmax(axis=-1) for name, row in probabilities.items()}
        yield Prediction(
            id=crystal.id,
            values={
                name: _value(row, labels[name], crystal)
                for name, row in (rows | most_likely).items()
            },
            units=units,
            probabilities=probabilities,
            spreads={name: float(one[number]) for name, one in (spreads or {}).items()},
            unseen_elements=unseen(crystal),
        )


def with_intervals(
    prediction: Prediction, atoms: int, calibrations: Mapping[str, Calibration]
) -> Prediction:
    """Return a prediction with the interval of each label that is calibrated.

    Args:
        prediction: With its spreads.
        atoms: Number of atoms of the structure.
        calibrations: By label.
    """
    intervals = {}
    for name, calibration in calibrations.items():
        value = float(prediction.values[name])
        spread = float(prediction.spreads.get(name, math.nan))
        width = calibration.half_width(COVERAGE, spread=spread, atoms=atoms)
        intervals[name] = (value - width, value + width)
    return replace(prediction, intervals=intervals)


def combine(parts: Sequence[Prediction], labels: Mapping[str, TargetInfo]) -> Prediction:
    """Return the mean of what several models predict of a structure, and how far they differ.

    Args:
        parts: One prediction of each model, at least two, of the same labels.
        labels: What each label is.
    """
    values: dict[str, Any] = {}
    spreads: dict[str, Any] = {}
    probabilities: dict[str, NDArray[np.float64]] = {}
    for name, info in labels.items():
        if info.is_class:
            rows = np.stack([part.probabilities[name] for part in parts])
            probabilities[name] = rows.mean(axis=0)
            chosen = np.expand_dims(probabilities[name].argmax(axis=-1), -1)
            deviation = np.take_along_axis(rows.std(axis=0, ddof=1), chosen, -1)[..., 0]
            values[name], spreads[name] = _plain(chosen[..., 0]), _plain(deviation)
            continue
        rows = np.stack([np.asarray(part.values[name], dtype=np.float64) for part in parts])
        values[name], spreads[name] = _plain(rows.mean(axis=0)), _plain(rows.std(axis=0, ddof=1))
    # What one of the members has seen is not new to all of them.
    unseen = set.intersection(*(set(part.unseen_elements) for part in parts))
    return replace(
        parts[0],
        values=values,
        spreads=spreads,
        probabilities=probabilities,
        unseen_elements=tuple(one for one in parts[0].unseen_elements if one in unseen),
    )


def _plain(values: NDArray[Any]) -> Any:
    return values if values.ndim else values.item()


def _value(row: NDArray[Any], info: TargetInfo, crystal: Crystal) -> Any:
    if info.kind == "stress" and not crystal.pbc.all():
        return np.full(info.shape, np.nan)  # without a volume there is none
    return row if row.ndim else row.item()
