"""Weights of crystals in the training loss: from a label, and from the group of each crystal."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.feature_head import FeatureHead
from matsciml_core.interfaces.strategy import Task
from matsciml_core.interfaces.structure import read_crystals, targets_of
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.training.config import TrainingConfig, check_choice

if TYPE_CHECKING:
    from matsciml_core.interfaces.batch import CrystalBatch
    from matsciml_core.training.assemble import PreparedDataset

Weights = Mapping[str, NDArray[np.float64]]
"""Weight of each crystal of a dataset by label, ``(crystals,)``, dimensionless, with mean 1 over
the values of that label in the training set; 0 where it is not needed."""
_CHUNK = 1024


def crystal_weights(
    settings: TrainingConfig, datasets: Sequence[PreparedDataset], tasks: Sequence[Task]
) -> dict[str, Weights]:
    """Return the weights of the crystals of each dataset that is weighted.

    The weights of a label are divided by their mean over its values in the training set, so that
    they change neither the size of the loss nor that of one task beside another, and a crystal of
    weight 2 counts as if it were there twice.

    Args:
        settings: Name the label and the groups.
        datasets: The datasets of the run.
        tasks: The tasks, with fitted heads.

    Returns:
        Weights by the name of the dataset; nothing where all crystals count alike.

    Raises:
        ConfigError: A label is not there or of the wrong kind, or a head cannot weigh crystals.
        DataError: A weight is missing, negative or infinite, or all of them are zero.
    """
    if not is_weighted(settings):
        if settings.weighted_validation:
            raise ConfigError(
                "'training.weighted_validation' weighs as in training, where all crystals count "
                "alike; add training.sample_weight or training.group_weights, or leave it away."
            )
        return {}
    for task in tasks:
        _check_head(task)
    sources = {one.name: _sources(settings, one, datasets) for one in datasets}
    return {
        one.name: _of_dataset(settings, one, sources[one.name], tasks)
        for one in datasets
        if sources[one.name]
    }


def is_weighted(settings: TrainingConfig) -> bool:
    """Return whether some crystals count more than others in the training loss."""
    return settings.sample_weight is not None or bool(settings.group_weights)


def describe_weights(
    settings: TrainingConfig, prepared: PreparedDataset, weights: Weights
) -> dict[str, Any]:
    """Return how the crystals of a dataset are weighted, as plain data.

    Args:
        settings: Name the label and the groups.
        prepared: The dataset.
        weights: Its weights.

    Returns:
        The smallest and largest weight over the mean, and the effective number of training
        crystals (Σw)²/Σw² (Kish, Survey Sampling, 1965), with what was asked for.
    """
    used = next(iter(weights.values()))[prepared.subsets["train"]]
    used = used / used.mean()
    return {
        "sample_weight": settings.sample_weight,
        "group_weights": {name: dict(one) for name, one in settings.group_weights.items()},
        "smallest": float(used.min()),
        "largest": float(used.max()),
        "effective_crystals": float(used.sum() ** 2 / np.square(used).sum()),
        "validation_loss": settings.weighted_validation,
    }


def say_weights(
    settings: TrainingConfig,
    datasets: Sequence[PreparedDataset],
    weights: Mapping[str, Weights],
) -> str:
    """Say which losses are weighted, how much, and what is not.

    Args:
        settings: Name the label and the groups.
        datasets: The datasets of the run.
        weights: Weights by the name of the dataset.
    """
    parts = []
    for prepared in datasets:
        if prepared.name in weights:
            what = describe_weights(settings, prepared, weights[prepared.name])
            parts.append(
                f"{prepared.name} {what['smallest']:.3g} to {what['largest']:.3g} times the mean, "
                f"worth {what['effective_crystals']:,.0f} equal crystals of "
                f"{len(prepared.subsets['train']):,}"
            )
    both = settings.weighted_validation
    return (
        f"The {'losses of training and validation are' if both else 'training loss is'} weighted "
        f"({'; '.join(parts)}); {'' if both else 'the validation loss and '}metrics are not."
    )


def _check_head(task: Task) -> None:
    if isinstance(task.head, FeatureHead):
        raise ConfigError(
            f"The head '{task.head_name}' is fitted at once, on crystals that all count alike; "
            "leave training.sample_weight and training.group_weights away, or name another head."
        )
    if "weights" not in inspect.signature(task.head.loss).parameters:
        raise ConfigError(
            f"The loss of the head '{task.head_name}' takes no weights; leave "
            "training.sample_weight and training.group_weights away, or name another head."
        )


def _sources(
    settings: TrainingConfig, prepared: PreparedDataset, datasets: Sequence[PreparedDataset]
) -> dict[str, Mapping[int, float] | None]:
    """Return the labels of a dataset that its weights come from, with the weights of groups."""
    named: dict[str, tuple[str, Mapping[int, float] | None]] = {
        name: (f"training.group_weights.{name}", groups)
        for name, groups in settings.group_weights.items()
    }
    if settings.sample_weight is not None:
        named[settings.sample_weight] = ("training.sample_weight", None)
    found: dict[str, Mapping[int, float] | None] = {}
    for name, (setting, groups) in named.items():
        prefix, separator, label = name.rpartition("/")
        if separator:
            check_choice(
                prefix, [one.name for one in datasets], what=f"dataset for '{setting}' called"
            )
        owners = [one for one in datasets if prefix in ("", one.name)]
        offered = [key for one in owners for key in targets_of(one.dataset)]
        check_choice(label, offered, what=f"label for '{setting}' called")
        info = targets_of(prepared.dataset).get(label) if prepared in owners else None
        if info is not None:
            _check_label(info, setting, groups)
            found[label] = groups
    return found


def _check_label(info: TargetInfo, setting: str, groups: Mapping[int, float] | None) -> None:
    """Reject a label that gives no weight, or no group, for each crystal."""
    if groups is None and (info.kind != "scalar" or info.per_atom):
        raise ConfigError(
            f"'{setting}' names '{info.name}', which is {info.form}; a weight is one number for "
            "each crystal."
        )
    if groups is None:
        return
    if not info.is_class or info.per_atom:
        raise ConfigError(
            f"'{setting}' names '{info.name}', which is {info.form}; groups are the classes of a "
            "label with one class for each crystal, so import it with the unit class(N)."
        )
    for group in groups:
        if group >= info.classes:
            raise ConfigError(
                f"'{setting}' has a weight for the class {group}, and '{info.name}' has the classes"
                f" 0 to {info.classes - 1}."
            )


def _of_dataset(
    settings: TrainingConfig,
    prepared: PreparedDataset,
    sources: Mapping[str, Mapping[int, float] | None],
    tasks: Sequence[Task],
) -> Weights:
    raw = np.zeros(len(prepared.dataset))
    subsets = ["train", *(["validation"] if settings.weighted_validation else [])]
    for subset in subsets:
        for indices, batch in _read(prepared, subset, [*sources]):
            weights = np.ones(len(indices))
            for label, groups in sources.items():
                values = batch.targets[label].numpy()
                _check_values(values, label, groups, batch.ids)
                if groups is None:
                    weights *= values
                else:
                    weights *= np.array([groups.get(int(value), 1.0) for value in values])
            raw[indices] = weights
        if not raw[prepared.subsets[subset]].any():
            raise DataError(
                f"All crystals of the {subset} set of '{prepared.name}' have the weight zero, so "
                "that there is nothing to learn from; give some of them a positive one."
            )
    return {
        info.name: raw / _mean(prepared, task, info, raw)
        for task in tasks
        if task.dataset == prepared.name
        for info in task.head.targets
    }


def _check_values(
    values: NDArray[Any], label: str, groups: Mapping[int, float] | None, ids: Sequence[str]
) -> None:
    """Reject values that are no weights, or no groups, and name the first crystal."""
    missing = np.isnan(values) if groups is None else values < 0
    wrong = missing if groups is not None else ~(np.isfinite(values) & (values >= 0))
    if not wrong.any():
        return
    first = int(np.flatnonzero(wrong)[0])
    what = "no value" if missing[first] else f"the value {values[first]:g}"
    raise DataError(
        f"Crystal '{ids[first]}' has {what} of '{label}', by which it is weighted"
        f"{'' if wrong.sum() == 1 else f', and {wrong.sum() - 1} others beside it too'}; a weight "
        "is a number of at least 0, and a group a class, for every crystal."
    )


def _mean(
    prepared: PreparedDataset, task: Task, info: TargetInfo, raw: NDArray[np.float64]
) -> float:
    """Return the mean weight of the values of a label that the training set has."""
    weight = count = 0.0
    for indices, batch in _read(prepared, "train", [info.name]):
        mask = task.head.mask(batch)[info.name].numpy()  # (crystals or atoms, *shape)
        values = mask.reshape(len(mask), -1).sum(axis=1)
        owners = batch.crystal_index.numpy() if info.per_atom else np.arange(len(indices))
        weight += float((raw[indices][owners] * values).sum())
        count += float(values.sum())
    if not weight:
        raise DataError(
            f"All training crystals of '{prepared.name}' with a value of '{info.name}' have the "
            "weight zero, so that there is nothing to learn from; give some a positive one."
        )
    return weight / count


def _read(
    prepared: PreparedDataset, subset: str, labels: Sequence[str]
) -> Iterator[tuple[NDArray[np.int64], CrystalBatch]]:
    indices = prepared.subsets[subset]
    for first in range(0, len(indices), _CHUNK):
        block = indices[first : first + _CHUNK]
        yield block, read_crystals(prepared.dataset, block.tolist(), list(labels))
