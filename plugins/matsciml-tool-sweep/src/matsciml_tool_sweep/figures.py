"""Figures of a sweep, each with its content in words: history, importances, parallel lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matsciml_tool_sweep.metric import Metric
from matsciml_tool_sweep.space import Axis, Choices, shown
from matsciml_tool_sweep.trials import Trial, ranked
from matsciml_util_pages import svg
from matsciml_util_pages.numbers import counted, number, percent
from matsciml_util_pages.plots import Plot, few_ticks, legend_above
from matsciml_util_pages.views import Absent

_FEWEST = 2
"""Finished trials from which on a figure says more than the table."""
_NAME = 18
"""Characters of a setting's name below an axis."""


def history(trials: Sequence[Trial], metric: Metric) -> Plot | Absent:
    """Plot the metric of finished trials in their order, and the best so far.

    Args:
        trials: All trials.
        metric: By what they are compared.
    """
    finished = [trial for trial in trials if trial.value is not None]
    title = "History"
    if len(finished) < _FEWEST:
        return Absent("The history of a sweep needs two trials that have finished.")
    best: list[float] = []
    for trial in finished:
        value = trial.value or 0.0
        best.append(value if not best or metric.better(value, best[-1]) else best[-1])
    pruned = [trial for trial in trials if trial.state == "pruned" and trial.last is not None]
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        numbers = [trial.number for trial in finished]
        axes.plot(numbers, [trial.value or 0.0 for trial in finished], "o", color=svg.SECOND,
                  markersize=4, label="finished")  # fmt: skip
        axes.step(numbers, best, where="post", color=svg.MODEL, label="best so far")
        if pruned:
            stopped = [trial.number for trial in pruned], [trial.last or 0.0 for trial in pruned]
            axes.plot(*stopped, "x", color=svg.BASELINE, markersize=4, label="stopped")
        few_ticks(axes.xaxis, 6, whole=True)
        few_ticks(axes.yaxis, 5)
        axes.set_xlabel("trial")
        axes.set_ylabel(metric.title)
        legend_above(axes)
        first = best.index(best[-1])
        words = (
            f"{counted(len(finished), 'trial')} finished and {len(pruned)} stopped early. The best "
            f"value fell from {metric.text(best[0])} to {metric.text(best[-1])}, reached by trial "
            f"{numbers[first]}."
        )
        if metric.larger_is_better:
            words = words.replace(" fell ", " rose ")
        return Plot(title, svg.to_svg(figure, f"{title}. {words}"), words)


def importances(shares: Mapping[str, float]) -> Plot | Absent:
    """Plot how much each setting matters.

    Args:
        shares: By setting, the largest first; they sum to 1.
    """
    title = "Importance of the settings"
    if not shares:
        return Absent(
            "Which settings matter is estimated from two settings and four finished trials on."
        )
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        names = list(shares)[::-1]
        axes.barh(range(len(names)), [shares[name] for name in names], color=svg.MODEL, height=0.6)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, 1)
        axes.set_xlabel("share")
        listed = ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
        words = f"How much each setting decides whether a trial is among the best: {listed}."
        return Plot(title, svg.to_svg(figure, f"{title}. {words}"), words)


def parallel_coordinates(
    trials: Sequence[Trial], axes_of_sweep: Sequence[Axis], metric: Metric
) -> Plot | Absent:
    """Plot finished trials as lines through their settings, the better ones darker.

    Args:
        trials: All trials.
        axes_of_sweep: What is varied.
        metric: By what trials are compared.
    """
    finished = [trial for trial in ranked(trials, metric) if trial.state == "finished"]
    title = "Parallel coordinates"
    if len(finished) < _FEWEST:
        return Absent("Parallel coordinates need two trials that have finished.")
    values = [trial.value or 0.0 for trial in finished]
    low, high = min(values), max(values)
    with svg.plot_settings():
        figure, axes = svg.new_axes()
        axes.grid(visible=False)
        for rank, trial in reversed(list(enumerate(finished))):
            heights = [_height(axis, trial) for axis in axes_of_sweep]
            heights.append(((trial.value or 0.0) - low) / (high - low) if high > low else 0.5)
            shade = svg.DENSITY[round((len(svg.DENSITY) - 1) * (1 - rank / len(finished)))]
            axes.plot(heights, color=svg.SECOND if rank == 0 else shade,
                      linewidth=2.2 if rank == 0 else 1.0)  # fmt: skip
        count = len(axes_of_sweep) + 1
        names = [*(_short(axis.key) for axis in axes_of_sweep), metric.short]
        ends = [*((_end(axis, 0), _end(axis, -1)) for axis in axes_of_sweep),
                (number(low), number(high))]  # fmt: skip
        for place, (bottom, top) in enumerate(ends):
            axes.axvline(place, color=svg.MUTED, linewidth=0.8)
            axes.text(place, -0.04, bottom, ha="center", va="top", fontsize=9)
            axes.text(place, 1.04, top, ha="center", va="bottom", fontsize=9)
        axes.set_xticks(range(count), names, rotation=30, ha="right")
        axes.tick_params(axis="x", pad=16)
        axes.set_yticks([])
        axes.set_xlim(-0.3, count - 0.7)
        axes.set_ylim(-0.02, 1.02)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        best = ", ".join(f"{key} {shown(value)}" for key, value in finished[0].settings.items())
        words = (
            f"Each line is a trial that has finished, from setting to setting to its "
            f"{metric.title} on the right; the better, the darker, and the best one thick: {best}."
        )
        return Plot(title, svg.to_svg(figure, f"{title}. {words}"), words)


def _height(axis: Axis, trial: Trial) -> float:
    """Return where a trial stands on an axis, from 0 to 1."""
    value = trial.settings[axis.key]
    if isinstance(axis, Choices):
        return list(axis.values.values()).index(value) / (len(axis.values) - 1)
    low, high, at = axis.low, axis.high, float(value)
    if axis.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def _end(axis: Axis, side: int) -> str:
    """Return the lowest (0) or the highest (-1) value of an axis as text."""
    if isinstance(axis, Choices):
        return list(axis.values)[side]
    return f"{axis.ends[side]:.3g}"


def _short(name: str) -> str:
    """Return the name of a setting without its section, cut where it is long."""
    last = name.rpartition(".")[2].replace("_", " ")
    return last if len(last) <= _NAME else f"{last[: _NAME - 1]}…"
