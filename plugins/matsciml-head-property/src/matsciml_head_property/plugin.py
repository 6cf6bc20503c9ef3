"""Registers the property heads."""

from collections.abc import Iterable

from matsciml_core import TaskHeadSpec, hookimpl


@hookimpl
def matsciml_task_heads() -> Iterable[TaskHeadSpec]:
    """Offer ``regression``."""
    yield TaskHeadSpec(
        name="regression",
        summary="A number per crystal, trained in z-scores fitted on the training split.",
        target="matsciml_head_property.regression:RegressionHead",
        config="matsciml_head_property.config:RegressionConfig",
        licence="MIT",
        target_kinds=("scalar",),
        default=True,
    )
