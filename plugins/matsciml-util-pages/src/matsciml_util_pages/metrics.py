"""Metrics and baselines in words: titles, units, and which of them speak for a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from matsciml_core.registry.targets import TargetInfo
from matsciml_util_pages import numbers

NOT_METRICS = ("unit", "count")
"""Entries that stand beside the metrics in ``run.json`` and are none."""


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """How a metric is written and read."""

    title: str
    """For example ``Mean absolute error``."""
    short: str
    """Where there is little room, for example ``MAE``."""
    unit_power: int = 0
    """The metric's unit is the label's to this power."""
    per_atom: bool = False
    """Whether the metric is of the label divided by the number of atoms."""
    own_unit: str = ""
    """Unit of a metric that does not follow from the label's."""
    larger_is_better: bool = True
    meaning: str = ""
    """What its values mean, where the title does not say it."""

    def quantity(self, value: object, unit: str) -> str:
        """Write a value of the metric, for a label with this unit."""
        return numbers.quantity(value, self.unit(unit))

    def unit(self, label_unit: str) -> str:
        """Return the metric's unit, for a label with this unit."""
        # An error of an energy in eV is one in eV/atom once it is divided by the number of atoms.
        unit = f"{label_unit}/atom" if self.per_atom else label_unit
        return self.own_unit or numbers.power(unit, self.unit_power)


_METRICS = {
    "mae": MetricInfo(
        title="Mean absolute error", short="MAE", unit_power=1, larger_is_better=False
    ),
    "rmse": MetricInfo(
        title="Root mean square error", short="RMSE", unit_power=1, larger_is_better=False
    ),
    "mse": MetricInfo(title="Mean square error", short="MSE", unit_power=2, larger_is_better=False),
    "r2": MetricInfo(
        title="Coefficient of determination",
        short="R²",
        meaning="1 is perfect; predicting the mean of the same values gives 0",
    ),
    "skill": MetricInfo(
        title="Skill",
        short="Skill",
        meaning="1 − MAE / MAE of predicting the training mean (zero, for forces): 1 is perfect, "
        "0 no better",
    ),
    "accuracy": MetricInfo(title="Accuracy", short="accuracy"),
    "balanced_accuracy": MetricInfo(title="Balanced accuracy", short="balanced accuracy"),
    "f1": MetricInfo(title="F1 score", short="F1"),
    "macro_f1": MetricInfo(
        title="F1 score, mean over classes",
        short="macro F1",
        meaning="the mean over classes that occur of 2 · right / (labels + predictions)",
    ),
    "auroc": MetricInfo(
        title="Area under the ROC curve",
        short="AUROC",
        meaning="0.5 for a constant score; of more than two classes the mean of one against rest",
    ),
    "average_precision": MetricInfo(
        title="Average precision",
        short="average precision",
        meaning="area under precision against recall; a constant score gives the share of class 1",
    ),
    "top5_accuracy": MetricInfo(
        title="Accuracy of the five most likely classes", short="top-5 accuracy"
    ),
    "crystal_system_accuracy": MetricInfo(
        title="Accuracy of the crystal system", short="crystal-system accuracy"
    ),
    "cosine": MetricInfo(
        title="Mean cosine to the labelled force",
        short="cosine",
        meaning="1 is the right direction for every atom, 0 no relation",
    ),
    "error_norm": MetricInfo(
        title="Mean norm of the error",
        short="error norm",
        unit_power=1,
        larger_is_better=False,
        meaning="the length of the error of a vector, the Frobenius norm of that of a matrix; the "
        "same along any axes",
    ),
    "isotropic_mae": MetricInfo(
        title="Mean absolute error of a third of the trace",
        short="isotropic MAE",
        unit_power=1,
        larger_is_better=False,
    ),
    "anisotropic_error": MetricInfo(
        title="Mean norm of the error without its trace",
        short="anisotropic error",
        unit_power=1,
        larger_is_better=False,
    ),
    "loss": MetricInfo(title="Loss", short="loss", larger_is_better=False),
    "lengths_mae": MetricInfo(
        title="Mean absolute error of lattice lengths",
        short="MAE of lengths",
        own_unit="Å",
        larger_is_better=False,
    ),
    "angles_mae": MetricInfo(
        title="Mean absolute error of lattice angles",
        short="MAE of angles",
        own_unit="°",
        larger_is_better=False,
    ),
    "mae_per_atom": MetricInfo(
        title="Mean absolute error per atom",
        short="MAE per atom",
        unit_power=1,
        per_atom=True,
        larger_is_better=False,
    ),
}

_BASELINES = {
    "mean": "predicting the mean",
    "median": "predicting the median",
    "majority": "predicting the majority class",
    "zero": "predicting zero",
    "composition": "predicting from composition alone",
    "marginal": "predicting frequencies and means",
    "symmetry_finder": "asking a symmetry finder",
    "trees": "trees on descriptors",
    "real_crystals": "as many real crystals",
    "without_model": "crystals made of averages",
}


_ORACLE = "symmetry_finder"


def metric_info(name: str) -> MetricInfo:
    """Return how a metric is written; one that is not known here keeps its name."""
    # A head of another plugin may report whatever it likes, and its metrics are shown as well.
    plain = numbers.words(name)
    return _METRICS.get(name) or MetricInfo(title=plain[:1].upper() + plain[1:], short=plain)


def describe_baseline(name: str, *, capital: bool = False) -> str:
    """Say what a baseline does.

    Args:
        name: As ``run.json`` has it.
        capital: Whether to begin with a capital letter.

    >>> describe_baseline("mean"), describe_baseline("nearest_crystal", capital=True)
    ('predicting the mean', 'The baseline “nearest crystal”')
    """
    text = _BASELINES.get(name, f"the baseline “{numbers.words(name)}”")
    return text[:1].upper() + text[1:] if capital else text


def metric_names(metrics: Iterable[str]) -> list[str]:
    """Return the names of the metrics proper, in their order."""
    return [name for name in metrics if name not in NOT_METRICS]


def headline_metric(info: TargetInfo, metrics: Mapping[str, object]) -> str | None:
    """Choose the metric that speaks for a target: MAE of numbers, accuracy of classes.

    Args:
        info: The label.
        metrics: What was measured, by name.

    Returns:
        The name of the metric; of another kind of label its first one; None where there is none.
    """
    # The field compares models by these two, and their meaning needs no explanation.
    usual = "accuracy" if info.is_class else "mae"
    names = metric_names(metrics)
    return usual if usual in names else next(iter(names), None)


def headline_baseline(info: TargetInfo, baselines: Mapping[str, object]) -> str | None:
    """Choose the baseline that a target is compared with: the best of all.

    Args:
        info: The label.
        baselines: The metrics of each, by name.

    Returns:
        The one with the best MAE or accuracy; where none has it the mean, zero for forces, or the
        majority class; else the first one; None where there is none.
    """
    metric = "accuracy" if info.is_class else "mae"
    measured = {
        name: values[metric]
        for name, values in baselines.items()
        # A symmetry finder computes the label itself: it is what is learnt, and no guess at it.
        if name != _ORACLE
        and isinstance(values, Mapping)
        and isinstance(values.get(metric), int | float)
    }
    if measured:
        return (max if info.is_class else min)(measured, key=measured.__getitem__)
    # Heads of forces have no mean: the forces on the atoms of a crystal add up to zero.
    usual = ("majority",) if info.is_class else ("mean", "zero")
    return next((name for name in (*usual, *baselines) if name in baselines), None)


def comparison(name: str, value: object, baseline: str, reference: object, unit: str) -> str:
    """Compare a metric with a baseline's, in words.

    Args:
        name: The metric.
        value: The model's.
        baseline: Name of the baseline.
        reference: Its value of the metric.
        unit: Unit of the label.

    >>> comparison("mae", 0.25, "mean", 1.0, "dimensionless")
    '4.00 times smaller than predicting the mean (1.00)'
    """
    info = metric_info(name)
    other = f"{describe_baseline(baseline)} ({info.quantity(reference, unit)})"
    ours, theirs = (one if isinstance(one, int | float) else 0.0 for one in (value, reference))
    # A ratio of accuracies says little, and one to zero, or to nothing, says nothing.
    if info.larger_is_better or not ours > 0 or not theirs > 0:
        return f"beside {other}"
    ratio = theirs / ours
    if f"{ratio:z.2f}" == "1.00":
        return f"the same as {other}"
    word, factor = ("smaller", ratio) if ratio > 1 else ("larger", 1 / ratio)
    if factor < 2.0:  # "1.15 times smaller" sounds like more than it is
        share = abs(1.0 - ours / theirs)
        return f"{100 * share:.0f}\u00a0% {word} than {other}"
    return f"{numbers.number(factor)} times {word} than {other}"
