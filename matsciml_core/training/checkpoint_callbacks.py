"""Lightning callbacks that write the checkpoints of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint

from matsciml_core.training.checkpoint import MONITOR
from matsciml_core.training.run_folder import BEST_CHECKPOINT, CHECKPOINTS, LAST_CHECKPOINT


class MovableCheckpoint(ModelCheckpoint):
    """A ``ModelCheckpoint`` that knows its best epoch again after the run folder was moved.

    Lightning's own compares absolute paths, and forgets the best score where they differ: a resumed
    run would then overwrite its best weights with worse ones.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state, with the paths of where the folder lies now."""
        old, new = str(state_dict["dirpath"]), str(self.dirpath)
        super().load_state_dict(_moved(state_dict, old, new))


class KeptEpochs(MovableCheckpoint):
    """Keeps several good epochs; Lightning tells the states of callbacks apart by their class."""


def checkpoint_callbacks(folder: Path, keep_best: int = 1) -> list[MovableCheckpoint]:
    """Return what saves the best epoch, what saves every epoch, and what keeps several good ones.

    Args:
        folder: The run folder.
        keep_best: Epochs of the lowest validation losses to keep.
    """
    best = MovableCheckpoint(
        folder / CHECKPOINTS,
        filename=Path(BEST_CHECKPOINT).stem,
        monitor=MONITOR,
        enable_version_counter=False,
    )
    # Not save_last of the one above, which would save improvements only.
    last = MovableCheckpoint(
        folder / CHECKPOINTS,
        filename=Path(LAST_CHECKPOINT).stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    # The last one comes last: where it has the end of an epoch, the others were written before.
    if keep_best == 1:
        return [best, last]
    kept = KeptEpochs(
        folder / CHECKPOINTS,
        filename="step-{step}",
        auto_insert_metric_name=False,
        monitor=MONITOR,
        save_top_k=keep_best,
        enable_version_counter=False,
    )
    return [best, kept, last]


def _moved(value: Any, old: str, new: str) -> Any:
    """Return plain data with the beginning of each path replaced."""
    if isinstance(value, str) and value.startswith(old):
        return new + value[len(old) :]
    if isinstance(value, dict):
        return {_moved(key, old, new): _moved(item, old, new) for key, item in value.items()}
    return value
