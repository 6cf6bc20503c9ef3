"""What a run without epochs may be: its settings and its heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.feature_head import FeatureHead
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.objects import ObjectEncoderSpec
from matsciml_core.registry.specs import EncoderSpec, StrategySpec


def settings_for(
    encoder: EncoderSpec, strategy: StrategySpec, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of training that a strategy without epochs fixes.

    Args:
        encoder: The run's.
        strategy: The run's.
        data: The configuration as plain data.

    Raises:
        ConfigError: Epochs or devices are asked for, or the encoder has nothing that it learnt.
    """
    if not strategy.closed_form:
        return {}
    training, init = dict(data.get("training") or {}), dict(data.get("init") or {})
    for key, usual in (("epochs", 1), ("devices", 1), ("nodes", 1), ("minutes", None)):
        if training.get(key, usual) not in (usual, None):
            raise ConfigError(
                f"The strategy '{strategy.name}' fits its heads at once, in one process; leave "
                f"'training.{key}' away."
            )
    is_object = isinstance(encoder, ObjectEncoderSpec)  # which may have learnt before
    if encoder.capabilities.learns and not init.get("model") and not is_object:
        raise ConfigError(
            f"The strategy '{strategy.name}' trains no encoder, and '{encoder.name}' would have "
            "new weights, which say nothing; start from a trained model with --init-from RUN."
        )
    return {"epochs": 1}


def check_heads(strategy: StrategySpec, tasks: Sequence[Task]) -> None:
    """Reject heads that the strategy cannot train.

    Raises:
        ConfigError: A head wants gradient steps and the strategy makes none, or the other way
            round.
    """
    for task in tasks:
        if isinstance(task.head, FeatureHead) and not strategy.closed_form:
            raise ConfigError(
                f"The head '{task.head_name}' is fitted at once, and the strategy "
                f"'{strategy.name}' takes gradient steps; leave --strategy away."
            )
        if strategy.closed_form and not isinstance(task.head, FeatureHead):
            raise ConfigError(
                f"The strategy '{strategy.name}' fits heads at once, and '{task.head_name}' wants "
                "gradient steps; name another with --head, see "
                "'matsciml list-plugins --kind task-head'."
            )
