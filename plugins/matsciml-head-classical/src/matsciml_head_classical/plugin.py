"""Registers the heads ``trees``, ``boosting`` and ``ridge``."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import Reference, TaskHeadSpec, hookimpl

_SCIKIT_LEARN = Reference(
    key="pedregosa2011scikit",
    authors="Pedregosa, Fabian and others",
    title="Scikit-learn: Machine Learning in Python",
    venue="Journal of Machine Learning Research 12, 2825-2830",
    year=2011,
)
_SUMMARIES = {
    "trees": "Extremely randomised trees or a random forest; their spread is the uncertainty.",
    "boosting": "Gradient-boosted trees on histograms.",
    "ridge": "Ridge regression, and logistic regression with the same penalty.",
}


@hookimpl
def matsciml_task_heads() -> Iterable[TaskHeadSpec]:
    """Offer the three heads, for numbers and classes."""
    for name, summary in _SUMMARIES.items():
        yield TaskHeadSpec(
            name=name,
            summary=summary,
            class_path=f"matsciml_head_classical.heads:{name.capitalize()}Head",
            config=f"matsciml_head_classical.config:{name.capitalize()}Config",
            licence="MIT",
            target_kinds=("scalar", "binary", "multiclass"),
            default=name == "trees",
            closed_form=True,
            references=(_SCIKIT_LEARN,),
        )
