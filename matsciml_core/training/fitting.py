"""Fitting a prepared run with Lightning: trainer, callbacks, checkpoints."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.loggers import Logger
from rich.console import Console

from matsciml_core.data.steps import StepLoader
from matsciml_core.errors import TrainingError
from matsciml_core.training import distributed, run_folder
from matsciml_core.training.averaging import WeightAverage
from matsciml_core.training.budget import PlannedEnd, TimeBudget
from matsciml_core.training.callbacks import (
    EpochLines,
    GradientAnglesFile,
    MetricsFile,
    SegmentClock,
    TrainingLosses,
)
from matsciml_core.training.checkpoint import ends_epoch, restore
from matsciml_core.training.checkpoint_callbacks import checkpoint_callbacks
from matsciml_core.training.guards import EdgeWatch, InterruptGuard, SkippedSteps, TimedCheckpoints
from matsciml_core.training.improvement import idle_epochs, is_trained, validation_losses
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.outcome import Fitted, RunInterrupted
from matsciml_core.training.plan import Plan
from matsciml_core.training.prepare import Run
from matsciml_core.training.stopping import EarlyStop, PlateauWatch

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_ADVICE = (
    "does not have many workers",  # batches are cheap; workers pay off later, see docs
    "log_every_n_steps",
    "have no `val_dataloader`",  # nothing is validated where nothing is kept
    "exists and is not empty",  # a resumed run continues in its own folder
    "LeafSpec.*is deprecated",  # Lightning's own use of a torch function
    "callbacks used to create the checkpoint",  # a run may go on with other settings
)
_PRECISIONS = {"float32": "32-true", "float64": "32-true", "bfloat16": "bf16-mixed"}
"""Lightning's names. Model and batches of a float64 run are in float64 before Lightning sees them;
its own way would rebuild each batch field by field, which records that cannot change refuse."""


def fit(
    run: Run,
    registry: Registry,
    checkpoint: Path | None,
    *,
    quiet: bool = False,
    started: float | None = None,
) -> Fitted:
    """Train, and leave the best weights in the run's encoder and heads.

    A resumed run that was trained to its end gets its best weights only.

    Args:
        run: What to train.
        registry: Where plugins offer callbacks and loggers.
        checkpoint: Where to resume from; None: from the start.
        quiet: Whether to show no progress.
        started: When the time of a budget began, by ``time.perf_counter()``; None: now.

    Raises:
        TrainingError: A checkpoint is damaged.
        RunInterrupted: The user pressed Ctrl-C.
    """
    training = run.config.training
    loader = training_loader(run)
    steps = -(-len(loader) // training.accumulate_batches)
    plan = Plan.of(training, steps)
    module = TrainingModule(run.encoder, run.tasks, run.strategy, training, plan)
    length = _length(run, plan, steps, started=started, quiet=quiet)
    epochs = math.inf if plan.steps is None else plan.steps / steps
    trained = checkpoint is not None and is_trained(run.folder, epochs, training.patience)
    if checkpoint is not None and trained and ends_epoch(checkpoint):
        return _fitted(run, module, length)
    guard = InterruptGuard(run.folder)
    # The guard comes last: it may stop the run, and then the others have had their turn.
    callbacks = [*_callbacks(run, registry, length, quiet=quiet), SegmentClock(run.folder)]
    if run.encoder.neighbours is not None:
        callbacks.append(EdgeWatch(getattr(run.encoder.neighbours, "cutoff", None)))
    callbacks.append(guard)
    try:
        with without_advice(), distributed.process_group(run.folder):
            # While the length is open, a checkpoint may be of any epoch, which is -1 for Lightning.
            resumed_open = checkpoint is not None and plan.steps is None
            most = -1 if resumed_open else length.epochs
            build_trainer(run, most, callbacks, build_loggers(run, registry)).fit(
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
        raise SystemExit(0)  # rank 0 alone tests and reports
    return _fitted(run, module, length)


def build_loggers(run: Run, registry: Registry) -> list[Logger]:
    """Build the loggers that a run asks for, or those that are on by default.

    Args:
        run: The run.
        registry: Where plugins offer loggers.

    Raises:
        RegistryError: One was asked for that is not installed, or that lacks a requirement.
    """
    names = run.config.training.loggers
    if names is None:
        # What was not asked for must not stop a run: a logger without its package is left out.
        present = (spec for spec in registry.specs("logger") if not registry.missing(spec))
        specs = [spec for spec in present if spec.default]
    else:
        specs = [registry.get("logger", name) for name in names]
    return [spec.load()(run.folder) for spec in specs]


def training_loader(run: Run) -> StepLoader:
    """Return the batches of an epoch, one per dataset and step as the strategy wants them.

    Args:
        run: The run.
    """
    loaders, strategy = run.loader("train"), run.strategy
    sizes = {name: len(loader) for name, loader in loaders.items()}
    return StepLoader(
        loaders,
        strategy.batch_mode,
        shares=strategy.shares(sizes) if strategy.batch_mode == "sampled" else None,
        seed=run.config.training.seed,
    )


def _fitted(run: Run, module: TrainingModule, length: PlannedEnd) -> Fitted:
    """Load the best weights, and say how the training went."""
    patience, losses = run.config.training.patience, validation_losses(run.folder)
    rows = run_folder.read_metrics(run.folder)
    if not rows:
        raise TrainingError(
            f"'{run.folder / run_folder.METRICS}' is missing, and which epoch was the best is "
            "written there alone; put it back, or ask for more --epochs."
        )
    if not any(map(math.isfinite, losses)):
        raise TrainingError(
            f"The validation loss was not a finite number in any of {len(losses)} epochs, so that "
            "no weights are the best and there is no model; lower training.learning_rate (it is "
            f"{run.config.training.learning_rate:g}), or look for extreme labels and structures."
        )
    steps = int(rows[-1]["step"])
    impatient = patience is not None and idle_epochs(losses) >= patience
    return Fitted(
        best_epoch=1 + losses.index(min(filter(math.isfinite, losses))),
        tested_epochs=restore(module, run.folder, run.config.training),
        stopped_early=impatient and steps < (length.plan.steps or math.inf),
        budget=length.record() if isinstance(length, TimeBudget) else None,
    )


def _length(run: Run, plan: Plan, steps: int, *, started: float | None, quiet: bool) -> PlannedEnd:
    """Return what ends the training: a number of steps, or a budget of time."""
    minutes = run.config.training.minutes
    if minutes is None:
        return PlannedEnd(plan, steps)
    sizes = {
        subset: sum(len(prepared.subsets[subset]) for prepared in run.datasets)
        for subset in ("validation", "test")
    }
    # Whole crystals, which are tested, have a few times the edges of their asymmetric units.
    factor = 1.2 if run.symprec is None else 2.0
    return TimeBudget(
        plan,
        steps,
        60.0 * minutes,
        started=time.perf_counter() if started is None else started,
        tail=factor * (1.0 + sizes["test"] / max(sizes["validation"], 1)),
        say=(lambda sentence: None) if quiet else print,
    )


def _callbacks(run: Run, registry: Registry, length: PlannedEnd, *, quiet: bool) -> list[Callback]:
    """Return what writes files, the plugins' callbacks, and what shows progress."""
    training = run.config.training
    callbacks: list[Callback] = []
    if training.average_decay or training.average_last:
        # First, so that a checkpoint within an epoch has the average with the last step in it.
        average = WeightAverage(training.average_decay, training.average_last, length.plan)
        callbacks.append(average)
    callbacks += [
        TrainingLosses(),
        MetricsFile(run.folder),
        *checkpoint_callbacks(run.folder, training.keep_best),
        TimedCheckpoints(run.folder, training.checkpoint_minutes),
        SkippedSteps(run.folder, training.learning_rate),
        length,
    ]
    if training.schedule == "plateau":
        callbacks.append(PlateauWatch(run.folder, length.plan, training.plateau_epochs))
    if training.patience is not None:
        callbacks.append(EarlyStop(run.folder, training.patience))
    callbacks += [spec.load()() for spec in registry.specs("callback")]
    if training.inspect_gradients and len(run.tasks) > 1:
        callbacks.append(GradientAnglesFile(run.folder))
    if not quiet:
        callbacks.append(RichProgressBar() if Console().is_terminal else EpochLines())
    return callbacks


def build_trainer(
    run: Run, epochs: int, callbacks: list[Callback], loggers: list[Logger]
) -> pl.Trainer:
    """Return a trainer on the device and in the precision of a run.

    Args:
        run: The run.
        epochs: Most epochs; −1: no limit.
        callbacks: All callbacks.
        loggers: All loggers.
    """
    training = run.config.training
    return pl.Trainer(
        accelerator=run.device.type,
        devices=training.devices if run.device.index is None else [run.device.index],
        num_nodes=training.nodes,
        strategy="ddp" if training.processes > 1 else "auto",
        precision=_PRECISIONS[training.precision],  # type: ignore[arg-type]
        max_epochs=epochs,
        callbacks=callbacks,
        logger=loggers or False,
        default_root_dir=run.folder,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(one, RichProgressBar) for one in callbacks),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        # What inference mode makes can never be differentiated, as forces need it.
        inference_mode=not any(task.head.needs_position_gradient for task in run.tasks),
        log_every_n_steps=10,
    )


@contextmanager
def without_advice() -> Iterator[None]:
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
