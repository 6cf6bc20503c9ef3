"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import LoggerSpec, hookimpl


@hookimpl
def matsciml_loggers() -> Iterable[LoggerSpec]:
    """Offer the three, none of which logs a run that does not ask for it."""
    yield LoggerSpec(
        name="wandb",
        summary="Weights & Biases; without an account offline, in the folder of the runs.",
        class_path="matsciml_tool_loggers.weights_and_biases:make_logger",
        requires=("wandb>=0.17",),
        requires_note="'matsciml-tool-loggers[wandb]' brings what it needs",
        default=False,
    )
    yield LoggerSpec(
        name="mlflow",
        summary="MLflow: the server of MLFLOW_TRACKING_URI, or a database beside the runs.",
        class_path="matsciml_tool_loggers.ml_flow:make_logger",
        requires=("mlflow-skinny>=3", "sqlalchemy>=2", "alembic>=1.13"),
        requires_note="'matsciml-tool-loggers[mlflow]' brings what it needs",
        default=False,
    )
    yield LoggerSpec(
        name="trackio",
        summary="Trackio: a database beside the runs, shown by 'trackio show'.",
        class_path="matsciml_tool_loggers.track_io:make_logger",
        requires=("trackio>=0.20",),
        requires_note="'matsciml-tool-loggers[trackio]' brings what it needs",
        default=False,
    )
