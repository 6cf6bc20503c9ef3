"""How the validation loss of a run went: what improved, for how long nothing did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matsciml_core.training.checkpoint import MONITOR
from matsciml_core.training.run_folder import read_metrics


def plateaus(losses: Sequence[float], epochs: int) -> int:
    """Return how often the loss has stayed without improvement for some epochs.

    Each such stretch counts once; the next begins after it, as in torch's ``ReduceLROnPlateau``,
    though there an improvement below a threshold counts as none.

    Args:
        losses: Validation loss of each epoch, dimensionless; one that is NaN is never better.
        epochs: Length of a stretch.
    """
    best, idle, count = math.inf, 0, 0
    for loss in losses:
        best, idle = (loss, 0) if loss < best else (best, idle + 1)
        if idle == epochs:
            count, idle = count + 1, 0
    return count


def idle_epochs(losses: Sequence[float]) -> int:
    """Return the number of epochs since the best one.

    Args:
        losses: Validation loss of each epoch, dimensionless; one that is NaN is never better.

    Returns:
        0 where the last epoch is the best one.
    """
    best, idle = math.inf, 0
    for loss in losses:
        best, idle = (loss, 0) if loss < best else (best, idle + 1)
    return idle


def validation_losses(folder: Path) -> list[float]:
    """Return the validation loss of each finished epoch of a run; NaN where there is none.

    Args:
        folder: The run folder.
    """
    return [float(row.get(MONITOR) or math.nan) for row in read_metrics(folder)]


def is_trained(folder: Path, epochs: float, patience: int | None) -> bool:
    """Return whether nothing of a run is left to be trained.

    Args:
        folder: The run folder.
        epochs: Epochs that were asked for; infinite where that is not known.
        patience: Epochs without a better one after which the run stops; None: it does not.
    """
    losses = validation_losses(folder)
    return len(losses) >= epochs or (patience is not None and idle_epochs(losses) >= patience)
