"""The headline of a target: one number, beside what the baselines reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from matsciml_tool_report.run_targets import Target
from matsciml_util_pages.metrics import comparison, describe_baseline, metric_info
from matsciml_util_pages.numbers import ABSENT, counted, number
from matsciml_util_pages.run_files import Predictions
from matsciml_util_pages.views import View


@dataclass(frozen=True)
class Bar:
    """A bar of the comparison with the baselines."""

    name: str
    value: str
    share: float
    """Length as a share of the longest bar, 0 to 1."""
    is_model: bool


@dataclass(frozen=True, kw_only=True)
class Headline(View):
    """The one number of a target."""

    template: ClassVar[str] = "matsciml_tool_report/assets/headline.html.j2"

    target: str
    """Label and dataset, where the run has several targets; else empty."""
    value: str
    unit: str
    caption: str
    comparison: str
    """With the baseline that speaks for all, in words."""
    bars: Sequence[Bar]


def headline(target: Target, values: Predictions | None, *, only: bool) -> Headline | None:
    """Return the headline of a target; None where it has no metric.

    Args:
        target: The target.
        values: Its test set, where there is a file of it.
        only: Whether it is the run's only target.
    """
    if target.metric is None:
        return None
    info, value = metric_info(target.metric), target.metrics[target.metric]
    text = ""
    if target.baseline is not None:
        reference = target.baselines[target.baseline].get(target.metric)
        text = comparison(target.metric, value, target.baseline, reference, target.unit)
    # Metrics count crystals, of which each has many forces; the predictions know the values.
    on = ""
    if values is not None:
        count = len(values.labels) + values.not_finite
        on = f" on {counted(count, f'test {values.noun}')}"
    elif isinstance(target.metrics.get("count"), int):
        on = f" on {counted(target.metrics['count'], 'test value')}"
    return Headline(
        target="" if only else f"{target.title}, {target.dataset}",
        value=number(value),
        unit="" if number(value) == ABSENT else info.unit(target.unit),
        caption=f"{info.title}{on}",
        comparison=text,
        bars=_bars(target, target.metric),
    )


def _bars(target: Target, metric: str) -> list[Bar]:
    """Return the model's bar and one for each baseline, the longest being 1."""
    values = {"Model": target.metrics.get(metric)}
    for name, metrics in target.baselines.items():
        values[describe_baseline(name, capital=True)] = metrics.get(metric)
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    # All values may be zero, and their bars then have no length rather than none.
    longest = max((abs(value) for value in numbers.values()), default=0.0) or 1.0
    info = metric_info(metric)
    return [
        Bar(name, info.quantity(value, target.unit), abs(value) / longest, name == "Model")
        for name, value in numbers.items()
    ]
