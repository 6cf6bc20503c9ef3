"""Registers the head for vectors and matrices."""

from collections.abc import Iterable

from matsciml_core import TaskHeadSpec, hookimpl


@hookimpl
def matsciml_task_heads() -> Iterable[TaskHeadSpec]:
    """Offer ``tensor-regression``."""
    yield TaskHeadSpec(
        name="tensor-regression",
        summary="A vector or matrix per crystal or atom, which turns with the crystal.",
        class_path="matsciml_head_tensor.head:TensorRegressionHead",
        config="matsciml_head_tensor.config:TensorConfig",
        licence="MIT",
        target_kinds=("tensor",),
        default=True,
    )
