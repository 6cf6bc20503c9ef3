"""Registers the heads ``trees``, ``boosting`` and ``ridge``, and the baseline ``trees``."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import BaselineSpec, TaskHeadSpec, hookimpl
from matsciml_head_classical.references import SCIKIT_LEARN

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
            references=(SCIKIT_LEARN,),
        )


@hookimpl
def matsciml_baselines() -> Iterable[BaselineSpec]:
    """Let every run be compared with trees."""
    yield BaselineSpec(
        name="trees", summary="Trees on descriptors.", encoder="descriptors", head="trees"
    )
