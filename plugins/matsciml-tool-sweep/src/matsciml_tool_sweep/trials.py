"""Trials: settings that were tried, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from matsciml_tool_sweep.metric import Metric

State = Literal["finished", "pruned", "failed", "running"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Settings that are tried."""

    number: int
    """Counted from 0, in the order in which they were chosen."""
    settings: Mapping[str, Any]
    """Values by the names of the settings, with sections."""
    state: State = "running"
    """``running`` is also one that was interrupted, and goes on with the sweep."""
    value: float | None = None
    """The metric with the best weights, where it is finished."""
    curve: Mapping[int, float] = field(default_factory=dict)
    """The metric by epoch, counted from 0."""
    seconds: float = 0.0
    """Wall time so far."""
    sentence: str = ""
    """Why it failed."""

    @property
    def last(self) -> float | None:
        """The metric after the last epoch."""
        return self.curve[max(self.curve)] if self.curve else None


def ranked(trials: Sequence[Trial], metric: Metric) -> list[Trial]:
    """Return finished trials, the best first, then pruned ones, then the others.

    Args:
        trials: Trials.
        metric: By what they are compared.
    """
    sign = -1.0 if metric.larger_is_better else 1.0
    order = {"finished": 0, "pruned": 1, "running": 2, "failed": 3}

    def rank(trial: Trial) -> tuple[int, float, int]:
        # A pruned one stands by how far it came, and then by its last value.
        reached = -len(trial.curve) if trial.value is None else 0
        value = trial.value if trial.value is not None else trial.last
        return order[trial.state], reached or sign * (value or 0.0), trial.number

    return sorted(trials, key=rank)


def best_of(trials: Sequence[Trial], metric: Metric) -> Trial | None:
    """Return the best of the finished trials; None: none has finished."""
    first = next(iter(ranked(trials, metric)), None)
    return first if first is not None and first.state == "finished" else None
