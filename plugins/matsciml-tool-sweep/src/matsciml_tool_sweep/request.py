"""What the user asks for becomes a sweep, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_core.registry.manager import Registry
from matsciml_tool_sweep.checks import LookUp, settle
from matsciml_tool_sweep.metric import LOSS, choose_metric
from matsciml_tool_sweep.space import EXAMPLE, Axis, configured, parse_axis
from matsciml_tool_sweep.sweep import Sweep, folder_name

_LENGTH = ("training.epochs", "training.minutes")
"""Settings that decide how long a trial is."""
_SHARE, _FEW = 5, 3
"""Every trial has a fifth of its epochs, or three where their number is not given, before it may
be stopped: the learning rate still rises in the first ones."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A sweep as the user describes it."""

    data: Mapping[str, Any]
    """The configuration of the runs as plain data."""
    vary: Sequence[str]
    """What is varied, as ``--vary`` takes it."""
    given: Sequence[str] = ()
    """Names of settings that are given a value beside it."""
    metric: str | None = None
    """By what trials are compared; None: the usual metric of the label."""
    pruning: bool = True
    output: Path = Path("runs")
    """Parent of the sweep's folder."""
    command: str = ""
    """What continues the sweep."""


def open_sweep(request: Request, registry: Registry, look_up: LookUp) -> Sweep:
    """Check what is asked for, and plan the sweep; nothing is written.

    Args:
        request: What the user asks for.
        registry: Where components are looked up.
        look_up: What ``--set`` is checked by.

    Returns:
        The sweep.

    Raises:
        ConfigError: A setting does not exist, may not be varied, or does not take a value.
        RegistryError: A component does not exist.
    """
    if not request.vary:
        raise ConfigError(f"Nothing is varied; add --vary, for example {EXAMPLE}.")
    parsed = [parse_axis(text) for text in request.vary]
    for axis in parsed:
        if axis.key in request.given:
            raise ConfigError(
                f"'{axis.key}' is both given a value and varied; leave one of the two away."
            )
    data = {key: value for key, value in request.data.items() if key != "output"}
    axes = settle(parsed, data, registry, look_up)
    first = configured(data, {axis.key: axis.ends[0] for axis in axes})
    # One seed for both: whoever repeats a sweep with another one means all that is random in it.
    seed = (data.get("training") or {}).get("seed", 0)
    metric = choose_metric(request.metric, first, registry)
    return Sweep(
        data=data,
        axes=axes,
        metric=metric,
        path=(request.output / folder_name(first, axes, metric)).resolve(),
        seed=seed if isinstance(seed, int) else 0,
        patience=_patience(data, axes) if request.pruning else None,
        command=request.command,
    )


def remarks(sweep: Sweep) -> list[str]:
    """Return what the user should know about a sweep before it begins.

    Args:
        sweep: The sweep.
    """
    sentences = []
    weighing = [axis.key for axis in sweep.axes if axis.key.split(".")[0] in ("head", "strategy")]
    if sweep.metric.name == LOSS and weighing:
        sentences.append(
            f"Trials are compared by the loss, which may mean another thing with another "
            f"'{weighing[0]}'; --metric names a metric in physical units."
        )
    if sweep.patience is None and any(axis.key in _LENGTH for axis in sweep.axes):
        sentences.append(
            "No trial is stopped early: after the same epoch, trials of different lengths are not "
            "alike."
        )
    return sentences


def _patience(data: Mapping[str, Any], axes: Sequence[Axis]) -> int | None:
    """Return how many epochs every trial has; None: lengths differ."""
    if any(axis.key in _LENGTH for axis in axes):
        return None
    epochs = (data.get("training") or {}).get("epochs")
    return max(1, epochs // _SHARE) if isinstance(epochs, int) else _FEW
