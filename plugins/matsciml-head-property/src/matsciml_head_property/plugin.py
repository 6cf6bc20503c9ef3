"""Registers the property heads."""

from collections.abc import Iterable

from matsciml_core import TaskHeadSpec, hookimpl

_PACKAGE = "matsciml_head_property"


@hookimpl
def matsciml_task_heads() -> Iterable[TaskHeadSpec]:
    """Offer a regression head and two classifiers."""
    yield TaskHeadSpec(
        name="regression",
        summary="A number per crystal or atom, or one per point of a grid, in z-scores.",
        class_path=f"{_PACKAGE}.regression:RegressionHead",
        config=f"{_PACKAGE}.config:RegressionConfig",
        licence="MIT",
        target_kinds=("scalar", "grid"),
        default=True,
    )
    yield TaskHeadSpec(
        name="binary-classifier",
        summary="The probability of one of two classes per crystal.",
        class_path=f"{_PACKAGE}.classification:BinaryHead",
        config=f"{_PACKAGE}.config:BinaryConfig",
        licence="MIT",
        target_kinds=("binary",),
        default=True,
    )
    yield TaskHeadSpec(
        name="multiclass-classifier",
        summary="Probabilities of many classes per crystal, for example 230 space groups.",
        class_path=f"{_PACKAGE}.classification:MulticlassHead",
        config=f"{_PACKAGE}.config:MulticlassConfig",
        licence="MIT",
        target_kinds=("multiclass",),
        default=True,
    )
