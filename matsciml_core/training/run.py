"""One run from configuration to test metrics."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from matsciml_core.errors import ConfigError
from matsciml_core.model.evaluate import Scores, evaluate
from matsciml_core.model.latest import link_latest
from matsciml_core.model.storage import save_model
from matsciml_core.registry.specs import RunInfo, RunResult
from matsciml_core.training import assemble, distributed, run_folder
from matsciml_core.training.callbacks import MetricsFile
from matsciml_core.training.config import (
    RunConfig,
    dump_config,
    merge,
    read_config_file,
    write_config,
)
from matsciml_core.training.faults import explained, read_checkpoint
from matsciml_core.training.fitting import RunInterrupted, fit
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.prepare import Run, prepare
from matsciml_core.training.summary import Course, result_of, summarise

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

__all__ = ["RunInterrupted", "prepare", "resume", "start"]


def start(config: RunConfig, registry: Registry) -> RunResult:
    """Train and test.

    Args:
        config: A resolved configuration, see :func:`matsciml_core.training.assemble.resolve`.
        registry: Where components are looked up.

    Returns:
        Test metrics and baselines.

    Raises:
        MatSciMLError: Something the user can mend is wrong.
        RunInterrupted: The user pressed Ctrl-C.
    """
    run = prepare(config, registry)
    if distributed.rank() == 0:
        write_config(config, run.folder / run_folder.CONFIG)
        for prepared in run.datasets:
            prepared.used.save(run.folder / f"split-{prepared.name}.json")
    return _execute(run, registry, checkpoint=None)


def resume(
    path: str | os.PathLike[str], registry: Registry, changes: Mapping[str, Any] | None = None
) -> RunResult:
    """Continue an interrupted run from its last checkpoint, in its own folder.

    A run that was trained to its end and stopped before it was finished is only tested.

    Args:
        path: The run folder, or a link to it.
        registry: Where components are looked up.
        changes: Settings of the ``training`` section to change, for example more epochs.

    Returns:
        Test metrics and baselines.

    Raises:
        ConfigError: There is no checkpoint to resume from, or nothing left to do.
        TrainingError: The checkpoint is damaged.
        RunInterrupted: The user pressed Ctrl-C again.
    """
    folder = run_folder.find_run(path)
    checkpoint = folder / run_folder.CHECKPOINTS / run_folder.LAST_CHECKPOINT
    if not checkpoint.is_file():
        raise ConfigError(
            f"'{folder}' has no checkpoint yet, so there is nothing to resume; start again with "
            f"matsciml run --config {shlex.quote(str(folder / run_folder.CONFIG))}"
        )
    read_checkpoint(checkpoint)
    raw = merge(read_config_file(folder / run_folder.CONFIG), {"training": changes or {}})
    config = assemble.resolve(raw, registry, adopt=False)
    if run_folder.finished_epochs(folder) >= config.training.epochs:
        raise ConfigError(
            f"The run has finished its {config.training.epochs} epochs already, so there is "
            "nothing to resume; ask for more with --epochs."
        )
    run = prepare(config, registry, folder)
    if distributed.rank() == 0:
        write_config(config, folder / run_folder.CONFIG)
        link_latest(folder)
    return _execute(run, registry, checkpoint=checkpoint)


def _execute(run: Run, registry: Registry, checkpoint: Path | None) -> RunResult:
    with explained(run):
        return _train_and_test(run, registry, checkpoint)


def _train_and_test(run: Run, registry: Registry, checkpoint: Path | None) -> RunResult:
    info = RunInfo(
        folder=str(run.folder),
        config=dump_config(run.config),
        datasets={prepared.name: prepared.dataset for prepared in run.datasets},
        registry=registry,
    )
    if distributed.rank() == 0:
        registry.hook.matsciml_before_fit(run=info)
    started, clock = datetime.now().astimezone(), time.perf_counter()
    if len(run_folder.read_metrics(run.folder)) >= run.config.training.epochs:
        best_epoch = _restore(run)
    else:
        best_epoch = fit(run, registry, MetricsFile(run.folder), checkpoint)
    try:
        test = _scores(run, "test")
        result, validation = result_of(test), result_of(_scores(run, "validation"))
        course = Course(
            started=started,
            wall_seconds=time.perf_counter() - clock,
            training_seconds=float(run_folder.read_metrics(run.folder)[-1]["seconds"]),
            best_epoch=best_epoch,
        )
        _write(run, summarise(run, registry, course, result, validation), test)
    except KeyboardInterrupt as stop:
        raise RunInterrupted(run.folder) from stop
    return registry.after_fit(info, result) if distributed.rank() == 0 else result


def _restore(run: Run) -> int:
    """Load the best weights of a run that was trained to its end; return their epoch, from 1."""
    module = TrainingModule(run.encoder, run.tasks, run.strategy, run.config.training, steps=1)
    file = run.folder / run_folder.CHECKPOINTS / run_folder.BEST_CHECKPOINT
    read_checkpoint(file)
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


def _write(run: Run, summary: Mapping[str, Any], test: Mapping[str, Scores]) -> None:
    name = run.config.encoder.name
    extra = {"citations": summary["citations"], "elements": summary["elements"]}
    save_model(run.folder, name, run.encoder, run.tasks, extra)
    run_folder.write_predictions(run.folder, test)
    run_folder.write_summary(run.folder, summary)


def _scores(run: Run, subset: str) -> dict[str, Scores]:
    return evaluate(run.encoder, run.tasks, run.loader(subset), run.device)
