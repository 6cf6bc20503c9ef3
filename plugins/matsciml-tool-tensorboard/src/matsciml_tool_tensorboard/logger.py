"""Event files of a run."""

from __future__ import annotations

from pathlib import Path

from pytorch_lightning.loggers import TensorBoardLogger

EVENTS = "tensorboard"
"""Folder of the event files in the run folder."""


def make_logger(folder: Path) -> TensorBoardLogger:
    """Return the logger of a run.

    Args:
        folder: The run folder.
    """
    # Without a version a resumed run writes beside the events that are there, and TensorBoard
    # shows both as one curve.
    return TensorBoardLogger(folder, name=EVENTS, version="")
