"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import LoggerSpec, hookimpl


@hookimpl
def matsciml_loggers() -> Iterable[LoggerSpec]:
    """Offer TensorBoard's event files."""
    yield LoggerSpec(
        name="tensorboard",
        summary="Metrics as event files in the run folder, for 'tensorboard --logdir'.",
        class_path="matsciml_tool_tensorboard.logger:make_logger",
    )
