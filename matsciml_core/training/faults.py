"""What the machine does to a run, in one sentence: no memory, no disk, a process that died."""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from matsciml_core.errors import TrainingError
from matsciml_core.training import run_folder

if TYPE_CHECKING:
    from matsciml_core.training.prepare import Run

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_MEMORY = re.compile(r"can't allocate memory|out of memory|bad_alloc", re.IGNORECASE)
_LOST_WORKER = re.compile(r"DataLoader worker .*(killed|exited unexpectedly)")


@contextmanager
def explained(run: Run) -> Iterator[None]:
    """Say what happened to a run, what is kept, and how to go on.

    Args:
        run: The run.

    Raises:
        TrainingError: Memory or disk are full, or a process that prepares batches died.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise TrainingError(_out_of_memory(run)) from error
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise TrainingError(
                f"The disk of '{run.folder}' is full; free some space{_resume(run)}"
            ) from error
        raise
    except RuntimeError as error:
        # torch raises these as RuntimeErrors of no class of their own: only the words tell.
        if _LOST_WORKER.search(str(error)):
            raise TrainingError(
                "A process that prepares batches was killed, most often because memory was full; "
                f"use fewer than {run.config.training.num_workers} with --set "
                f"training.num_workers=N{_resume(run)}"
            ) from error
        if _NO_MEMORY.search(str(error)):
            raise TrainingError(_out_of_memory(run)) from error
        raise


def _out_of_memory(run: Run) -> str:
    training = run.config.training
    size, parts = training.batch_size, training.accumulate_batches
    if size == 1:
        return (
            "A single crystal does not fit in memory; use a smaller cutoff or encoder, or "
            "another device."
        )
    return (
        f"Batches of {size} crystals do not fit in memory; batches half as large, two of which "
        f"make a step, train the same: --batch-size {max(size // 2, 1)} --set "
        f"training.accumulate_batches={2 * parts}{_resume(run)}"
    )


def _resume(run: Run) -> str:
    """Return the end of a sentence: how to go on."""
    checkpoint = run.folder / run_folder.CHECKPOINTS / run_folder.LAST_CHECKPOINT
    folder = shlex.quote(str(run.folder))
    if checkpoint.is_file():
        return f", and go on with: matsciml run --resume {folder}"
    return f", and start again with: matsciml run --config {folder}/{run_folder.CONFIG}"
