"""Trackio, for which Lightning has no logger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from matsciml_tool_loggers.identity import PROJECT, settings_of


class TrackioLogger(Logger):
    """Logs metrics to Trackio's local database, or where its own settings say.

    Args:
        project: Name of the project.
        run: Name of the run; a resumed run goes on under it.
        config: What the run shows as its settings.
    """

    def __init__(self, project: str, run: str, config: Mapping[str, Any]) -> None:
        """Remember them; Trackio is started with the first metric."""
        super().__init__()
        self._project, self._run, self._config = project, run, dict(config)
        self._started: Any = None

    @property
    def name(self) -> str:
        """The project."""
        return self._project

    @property
    def version(self) -> str:
        """The run."""
        return self._run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers of a step.

        Args:
            metrics: By name.
            step: Number of the step.
        """
        self._experiment().log(dict(metrics), step=step)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the settings of the run are given to Trackio at its start."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Wait until all is written.

        Args:
            status: How the training ended.
        """
        if self._started is not None:
            self._started.finish()
            self._started = None

    def _experiment(self) -> Any:
        if self._started is None:
            import trackio  # noqa: PLC0415 - reads the folder of its database at import

            self._started = trackio.init(
                project=self._project,
                name=self._run,
                config=self._config,
                resume="allow",
                embed=False,
            )
        return self._started


def make_logger(folder: Path) -> TrackioLogger:
    """Return the logger of a run.

    The database lies where ``TRACKIO_DIR`` says, else beside the runs. Trackio 0.43 looks at the
    variable once, when it is imported, and would write below the home folder without it.

    Args:
        folder: The run folder.
    """
    os.environ.setdefault("TRACKIO_DIR", str(folder.parent.resolve() / "trackio"))
    project = os.environ.get("TRACKIO_PROJECT", PROJECT)
    return TrackioLogger(project, folder.name, settings_of(folder))
