"""MLflow, by Lightning's logger."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from pytorch_lightning.loggers import MLFlowLogger

from matsciml_core.errors import ConfigError
from matsciml_tool_loggers.identity import (
    PROJECT,
    is_first_process,
    known_as,
    remember,
    settings_of,
)


def make_logger(folder: Path) -> MLFlowLogger:
    """Return the logger of a run.

    It logs to the server of ``MLFLOW_TRACKING_URI``, else to a database beside the runs: MLflow
    3.17 refuses the folders of files that older releases wrote by default. The experiment is that
    of ``MLFLOW_EXPERIMENT_NAME``, else ``matsciml``.

    Args:
        folder: The run folder.

    Raises:
        ConfigError: The server does not answer, or refuses.
    """
    parent = folder.parent.resolve()
    local = f"sqlite:///{parent / 'mlflow.db'}"
    address = os.environ.get("MLFLOW_TRACKING_URI", local)
    # It tells of each table of a new database.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(address)
    logger = MLFlowLogger(
        experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT),
        tracking_uri=address,
        run_name=folder.name,
        run_id=known_as(folder, "mlflow"),
        artifact_location=None if address != local else (parent / "mlflow").as_uri(),
    )
    if is_first_process():
        try:
            run = logger.run_id
            if run is not None and known_as(folder, "mlflow") is None:
                logger.log_hyperparams(settings_of(folder))
                remember(folder, "mlflow", run)
        except MlflowException as error:
            shown = _without_secret(address)
            reason = " ".join(str(error).replace(address, shown).split())[:200]
            raise ConfigError(
                f"MLflow cannot log to '{shown}' ({reason}); check MLFLOW_TRACKING_URI, or unset "
                "it for a database beside the runs."
            ) from None  # its own text has the password
    return logger


def _without_secret(address: str) -> str:
    """Return an address without the user and password that may stand in it."""
    scheme, slashes, rest = address.partition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"
