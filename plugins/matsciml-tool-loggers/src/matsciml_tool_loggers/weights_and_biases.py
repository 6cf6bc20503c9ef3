"""Weights & Biases, by Lightning's logger."""

from __future__ import annotations

import netrc
import os
from pathlib import Path

from pytorch_lightning.loggers import WandbLogger

from matsciml_tool_loggers.identity import PROJECT, identity, is_first_process, settings_of

_HOST = "api.wandb.ai"


def make_logger(folder: Path) -> WandbLogger:
    """Return the logger of a run.

    What W&B reads of the environment holds: ``WANDB_PROJECT``, ``WANDB_ENTITY``, ``WANDB_MODE``,
    ``WANDB_DIR``. Without a mode and without an account it would ask for one in the middle of a
    run, or end it where there is no terminal; then the run is logged offline.

    Args:
        folder: The run folder.
    """
    parent = Path(os.environ.get("WANDB_DIR", folder.parent))
    offline = "WANDB_MODE" not in os.environ and not _has_account()
    if offline and is_first_process():
        print(
            "W&B knows no account here, so the run is logged offline; "
            f"'wandb sync {parent / 'wandb'}/offline-run-*' sends it later.",
            flush=True,
        )
    logger = WandbLogger(
        save_dir=str(parent),
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=folder.name,
        id=identity(folder, "wandb"),
        resume="allow",
        offline=offline,
        log_model=False,
    )
    if is_first_process():
        logger.log_hyperparams(settings_of(folder))
    return logger


def _has_account() -> bool:
    """Return whether W&B will find a key."""
    if "WANDB_API_KEY" in os.environ:
        return True
    host = os.environ.get("WANDB_BASE_URL", f"https://{_HOST}").split("://")[-1].strip("/")
    try:
        return netrc.netrc().authenticators(host.partition("/")[0]) is not None
    except (OSError, netrc.NetrcParseError):
        return False
