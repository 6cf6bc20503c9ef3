"""A trained model for some of its labels, which costs what these cost."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matsciml_core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from matsciml_core.interfaces.strategy import Task
    from matsciml_core.model.trained import TrainedModel
    from matsciml_core.registry.targets import TargetInfo

_CACHED = ("calibrations",)
"""What a model keeps that depends on its labels."""


def restrict(model: TrainedModel, labels: Sequence[str]) -> TrainedModel:
    """Return a model for some of its labels; it shares the tensors of the other.

    What only the other labels need is not computed: an energy without forces has no derivative,
    which is more than half of the time.

    Args:
        model: The model, or an ensemble of several.
        labels: Names that its predictions have, at least one.

    Raises:
        ConfigError: The model does not predict one of them.
    """
    for label in labels:
        if label not in model.targets:
            raise ConfigError(
                f"The model does not predict '{label}'.{did_you_mean(label, model.targets)} "
                f"Labels: {', '.join(model.targets)}."
            )
    restricted: Any = copy.copy(model)
    for name in _CACHED:
        restricted.__dict__.pop(name, None)
    members = getattr(model, "members", None)
    if members is not None:  # an ensemble, which has no heads of its own
        restricted.members = tuple(restrict(member, labels) for member in members)
        restricted._names = restricted.members[0]._names
        return restricted  # type: ignore[no-any-return]
    restricted._names = _restricted_names(model._names, labels)
    restricted.tasks = tuple(dict.fromkeys(task for task, _ in restricted._names.values()))
    return restricted  # type: ignore[no-any-return]


def _restricted_names(
    names: dict[str, tuple[Task, TargetInfo]], labels: Sequence[str]
) -> dict[str, tuple[Task, TargetInfo]]:
    """Return the labels that are asked for, by name, with tasks that predict only them."""
    wanted = {name: pair for name, pair in names.items() if name in labels}
    tasks = {
        task: replace(
            task,
            head=task.head.restricted([info.name for one, info in wanted.values() if one is task]),
        )
        for task, _ in wanted.values()
    }
    return {name: (tasks[task], info) for name, (task, info) in wanted.items()}
