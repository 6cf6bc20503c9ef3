"""Fitting a prepared run with Lightning: trainer, callbacks, checkpoints."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    Callback,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.loggers import TensorBoardLogger
from rich.console import Console

from matsciml_core.data.steps import StepLoader
from matsciml_core.errors import ConfigError
from matsciml_core.training import distributed, run_folder
from matsciml_core.training.callbacks import EpochLines, GradientAnglesFile, MetricsFile
from matsciml_core.training.guards import InterruptGuard, SkippedSteps, TimedCheckpoints
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.prepare import Run

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

MONITOR = "validation/loss"
_ADVICE = (
    "does not have many workers",  # batches are cheap; workers pay off later, see docs
    "log_every_n_steps",
    "exists and is not empty",  # a resumed run continues in its own folder
    "LeafSpec.*is deprecated",  # Lightning's own use of a torch function
)
_PRECISIONS = {"float32": "32-true", "float64": "32-true", "bfloat16": "bf16-mixed"}
"""Lightning's names. Model and batches of a float64 run are in float64 before Lightning sees them;
its own way would rebuild each batch field by field, which records that cannot change refuse."""


class RunInterrupted(Exception):
    """The user stopped the run; a checkpoint was left behind."""

    def __init__(self, folder: Path) -> None:
        """Remember where to resume."""
        super().__init__(
            f"Interrupted. The checkpoint is kept; resume with: matsciml run --resume {folder}"
        )
        self.folder = folder


def fit(run: Run, registry: Registry, metrics_file: MetricsFile, checkpoint: Path | None) -> int:
    """Train, and leave the best weights in the run's encoder and heads.

    Args:
        run: What to train.
        registry: Where plugins offer callbacks.
        metrics_file: Writes the metrics of each epoch.
        checkpoint: Where to resume from; None: from the start.

    Returns:
        The epoch that the best weights are from, counted from 1.

    Raises:
        ConfigError: A resumed run had finished all its epochs.
        RunInterrupted: The user pressed Ctrl-C.
    """
    training = run.config.training
    loader = _training_loader(run)
    steps = training.epochs * -(-len(loader) // training.accumulate_batches)
    module = TrainingModule(run.encoder, run.tasks, run.strategy, training, steps)
    best = _best_checkpoint(run.folder)
    guard = InterruptGuard(run.folder)
    # The guard comes last: it may stop the run, and then the others have had their turn.
    callbacks = [metrics_file, best, *_more_callbacks(run, registry), guard]
    try:
        with _without_advice(), distributed.process_group(run.folder):
            _trainer(run, callbacks).fit(
                module,
                loader,
                StepLoader(run.loader("validation"), "max_size"),
                ckpt_path=checkpoint,
                weights_only=True,
            )
    except (SystemExit, KeyboardInterrupt) as stop:  # Lightning turns Ctrl-C into SystemExit
        guard.release()
        if guard.requested or isinstance(stop, KeyboardInterrupt):
            raise RunInterrupted(run.folder) from stop
        raise
    if distributed.rank() > 0:
        raise SystemExit(0)  # the first process tests and reports
    return _restore_best(module, best, metrics_file)


def _training_loader(run: Run) -> StepLoader:
    loaders, strategy = run.loader("train"), run.strategy
    sizes = {name: len(loader) for name, loader in loaders.items()}
    return StepLoader(
        loaders,
        strategy.batch_mode,
        shares=strategy.shares(sizes) if strategy.batch_mode == "sampled" else None,
        seed=run.config.training.seed,
    )


def _restore_best(module: TrainingModule, best: ModelCheckpoint, metrics_file: MetricsFile) -> int:
    if not metrics_file.rows:
        raise ConfigError(
            "The run has finished its epochs already, so there is nothing to resume; ask for more "
            "with --epochs."
        )
    checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


def _best_checkpoint(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder / run_folder.CHECKPOINTS,
        filename="best",
        monitor=MONITOR,
        enable_version_counter=False,
    )


def _last_checkpoint(folder: Path) -> ModelCheckpoint:
    """Return what saves every epoch; ``save_last`` of the other would save improvements only."""
    return ModelCheckpoint(
        folder / run_folder.CHECKPOINTS,
        filename="last",
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _more_callbacks(run: Run, registry: Registry) -> list[Callback]:
    """Return what keeps checkpoints, the plugins' callbacks, and what shows progress."""
    training = run.config.training
    callbacks: list[Callback] = [
        _last_checkpoint(run.folder),
        TimedCheckpoints(run.folder, training.checkpoint_minutes),
        SkippedSteps(run.folder, training.learning_rate),
    ]
    callbacks += [spec.load()() for spec in registry.specs("callback")]
    if training.average_decay:
        callbacks.append(EMAWeightAveraging(decay=training.average_decay))
    if training.inspect_gradients and len(run.tasks) > 1:
        callbacks.append(GradientAnglesFile(run.folder))
    return [*callbacks, RichProgressBar() if _is_terminal() else EpochLines()]


def _trainer(run: Run, callbacks: list[Callback]) -> pl.Trainer:
    training = run.config.training
    return pl.Trainer(
        accelerator=run.device.type,
        devices=training.devices if run.device.index is None else [run.device.index],
        strategy="ddp" if training.devices > 1 else "auto",
        precision=_PRECISIONS[training.precision],  # type: ignore[arg-type]
        max_epochs=training.epochs,
        callbacks=callbacks,
        logger=TensorBoardLogger(run.folder, name="tensorboard", version=""),
        default_root_dir=run.folder,
        enable_model_summary=False,
        enable_progress_bar=_is_terminal(),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        # What inference mode makes can never be differentiated, as forces need it.
        inference_mode=not any(task.head.needs_position_gradient for task in run.tasks),
        log_every_n_steps=10,
    )


def _is_terminal() -> bool:
    return Console().is_terminal


@contextmanager
def _without_advice() -> Iterator[None]:
    """Silence Lightning's advice that does not apply here."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for words in _ADVICE:
                warnings.filterwarnings("ignore", f".*{words}.*")
            yield
    finally:
        logger.setLevel(level)
