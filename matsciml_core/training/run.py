"""One run from configuration to report."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    Callback,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.combined_loader import CombinedLoader

from matsciml_core.data.loader import BatchSampler, BatchSource, CrystalLoader
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import BatchMode, Strategy, Task
from matsciml_core.registry.specs import Reference, RunInfo, RunResult, Spec
from matsciml_core.training import assemble, run_folder
from matsciml_core.training.callbacks import EpochLines, InterruptGuard, MetricsFile
from matsciml_core.training.config import (
    RunConfig,
    TrainingConfig,
    dump_config,
    read_config_file,
    write_config,
)
from matsciml_core.training.evaluate import MODEL, Scores, evaluate
from matsciml_core.training.model_files import save_model
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.report import write_report

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

MONITOR = "validation/loss"
_ADVICE = (
    "does not have many workers",  # batches are cheap; workers pay off later, see docs
    "log_every_n_steps",
    "exists and is not empty",  # a resumed run continues in its own folder
    "LeafSpec.*is deprecated",  # Lightning's own use of a torch function
)
_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32}
_PRECISIONS = {"float32": "32-true", "float64": "64-true", "bfloat16": "bf16-mixed"}


class RunInterrupted(Exception):
    """The user stopped the run; a checkpoint was left behind."""

    def __init__(self, folder: Path) -> None:
        """Remember where to resume."""
        super().__init__(
            f"Interrupted. The checkpoint is kept; resume with: matsciml run --resume {folder}"
        )
        self.folder = folder


@dataclass(frozen=True, kw_only=True)
class Run:
    """A prepared run: everything that training needs, before it starts."""

    config: RunConfig
    folder: Path
    datasets: list[assemble.PreparedDataset]
    encoder: Encoder
    tasks: list[Task]
    strategy: Strategy
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of parameters and batches."""
        return _DTYPES[self.config.training.precision]

    def loader(self, part: str) -> dict[str, CrystalLoader]:
        """Return a loader per dataset for a part of the split."""
        training = self.config.training
        return {
            prepared.name: _loader(self.source(prepared, part, number), training, part, self.device)
            for number, prepared in enumerate(self.datasets)
        }

    def source(self, prepared: assemble.PreparedDataset, part: str, number: int) -> BatchSource:
        """Return the source of batches of one dataset and part."""
        cached = self.config.training.cache_neighbours and part != "test"
        return assemble.build_source(
            prepared, part, self.encoder, dtype=self.dtype, cached=cached, number=number
        )


def start(config: RunConfig, registry: Registry) -> RunResult:
    """Train, test and report.

    Args:
        config: A resolved configuration, see :func:`matsciml_core.training.assemble.resolve`.
        registry: Where components are looked up.

    Returns:
        Test metrics and baselines.

    Raises:
        MatSciMLError: Something the user can mend is wrong.
        RunInterrupted: The user pressed Ctrl-C.
    """
    names = [item.name for item in config.datasets]
    labels = list(config.targets) or ["default"]
    run = prepare(config, registry, None, ["+".join(names), config.encoder.name, "+".join(labels)])
    write_config(config, run.folder / run_folder.CONFIG)
    for prepared in run.datasets:
        prepared.split.save(run.folder / f"split-{prepared.name}.json")
    return _execute(run, registry, checkpoint=None)


def resume(
    path: str | os.PathLike[str], registry: Registry, changes: Mapping[str, Any] | None = None
) -> RunResult:
    """Continue an interrupted run from its last checkpoint, in its own folder.

    Args:
        path: The run folder, or a link to it.
        registry: Where components are looked up.
        changes: Settings of the ``training`` section to change, for example more epochs.

    Returns:
        Test metrics and baselines.

    Raises:
        ConfigError: There is no checkpoint to resume from.
        RunInterrupted: The user pressed Ctrl-C again.
    """
    folder = run_folder.find_run(path)
    checkpoint = folder / run_folder.CHECKPOINTS / run_folder.LAST_CHECKPOINT
    if not checkpoint.is_file():
        raise ConfigError(
            f"'{folder}' has no checkpoint yet, so there is nothing to resume; start again with "
            f"matsciml run --config {folder / run_folder.CONFIG}"
        )
    raw = read_config_file(folder / run_folder.CONFIG)
    raw["training"] = {**raw.get("training", {}), **(changes or {})}
    config = assemble.resolve(raw, registry)
    run = prepare(config, registry, folder, [])
    write_config(config, folder / run_folder.CONFIG)
    run_folder.link_latest(folder)
    return _execute(run, registry, checkpoint=checkpoint)


def prepare(
    config: RunConfig, registry: Registry, folder: Path | None, name_parts: list[str]
) -> Run:
    """Build data, model and strategy; a new run folder is made last, when all else is sound.

    Raises:
        MatSciMLError: Something the user can mend is wrong.
    """
    device = _device(config.training.device)
    datasets = assemble.prepare_datasets(config, registry)
    pl.seed_everything(config.training.seed, workers=True, verbose=False)
    spec = registry.get("encoder", config.encoder.name)
    encoder: Encoder = assemble.build_component(spec, config.encoder.options, "encoder")
    tasks = assemble.build_tasks(config, registry, datasets, encoder)
    strategy = assemble.build_strategy(config, registry, tasks)
    if config.training.precision == "float64":
        for module in (encoder, strategy, *(task.head for task in tasks)):
            module.to(torch.float64)
    if name_parts and name_parts[-1] == "default":
        name_parts[-1] = "+".join(label for prepared in datasets for label in prepared.labels)
    return Run(
        config=config,
        folder=folder or run_folder.create_run_folder(config.output, name_parts),
        datasets=datasets,
        encoder=encoder,
        tasks=tasks,
        strategy=strategy,
        device=device,
    )


def _execute(run: Run, registry: Registry, checkpoint: Path | None) -> RunResult:
    info = RunInfo(folder=str(run.folder), config=dump_config(run.config))
    registry.hook.matsciml_before_fit(run=info)
    started, clock = datetime.now().astimezone(), time.perf_counter()
    metrics_file = MetricsFile(run.folder)
    best_epoch = _fit(run, registry, metrics_file, checkpoint)
    scores = {part: _scores(run, part) for part in ("validation", "test")}
    result = RunResult(
        metrics={key: score.summary(MODEL) for key, score in scores["test"].items()},
        baselines={
            key: {name: score.summary(name) for name in score.predictors}
            for key, score in scores["test"].items()
        },
    )
    citations = _citations(run, registry)
    summary = _summary(run, registry, result, citations) | {
        "started": started.isoformat(timespec="seconds"),
        "wall_seconds": round(time.perf_counter() - clock, 1),
        "training_seconds": round(float(metrics_file.rows[-1]["seconds"]), 1),
        "best_epoch": best_epoch,
    }
    summary["metrics"]["validation"] = {
        key: score.summary(MODEL) for key, score in scores["validation"].items()
    }
    save_model(
        run.folder, run.config.encoder.name, run.encoder, run.tasks, {"citations": citations}
    )
    run_folder.write_predictions(run.folder, scores["test"])
    run_folder.write_summary(run.folder, summary)
    write_report(run.folder)
    registry.hook.matsciml_after_fit(run=info, result=result)
    return result


def _fit(run: Run, registry: Registry, metrics_file: MetricsFile, checkpoint: Path | None) -> int:
    """Train, load the best weights back, and return the epoch they are from, counted from 1."""
    training = run.config.training
    loaders = run.loader("train")
    steps = training.epochs * _steps_per_epoch(loaders, run.strategy.batch_mode)
    module = TrainingModule(run.encoder, run.tasks, run.strategy, training, steps)
    best = ModelCheckpoint(
        run.folder / run_folder.CHECKPOINTS,
        filename="best",
        monitor=MONITOR,
        save_last=True,
        enable_version_counter=False,
    )
    guard = InterruptGuard(run.folder)
    callbacks: list[Callback] = [metrics_file, best, *_plugin_callbacks(registry)]
    if training.average_decay:
        callbacks.append(EMAWeightAveraging(decay=training.average_decay))
    interactive = _is_terminal()
    callbacks.append(RichProgressBar(leave=False) if interactive else EpochLines())
    callbacks.append(guard)  # last: it may stop the run, and the others have had their turn
    with _without_advice():
        trainer = _trainer(run, callbacks, interactive=interactive)
    try:
        with _without_advice():
            trainer.fit(
                module,
                CombinedLoader(loaders, run.strategy.batch_mode),
                CombinedLoader(run.loader("validation"), "max_size"),
                ckpt_path=checkpoint,
                weights_only=True,
            )
    except (SystemExit, KeyboardInterrupt) as stop:  # Lightning turns Ctrl-C into SystemExit
        guard.release()
        if guard.requested or isinstance(stop, KeyboardInterrupt):
            raise RunInterrupted(run.folder) from stop
        raise
    return _restore_best(module, best, metrics_file)


def _steps_per_epoch(loaders: Mapping[str, CrystalLoader], mode: BatchMode) -> int:
    sizes = [len(loader) for loader in loaders.values()]
    return {"min_size": min(sizes), "sequential": sum(sizes)}.get(mode, max(sizes))


def _restore_best(module: TrainingModule, best: ModelCheckpoint, metrics_file: MetricsFile) -> int:
    if not metrics_file.rows:
        raise ConfigError(
            "The run has finished its epochs already, so there is nothing to resume; ask for more "
            "with --epochs."
        )
    checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    return int(checkpoint["epoch"]) + 1


def _trainer(run: Run, callbacks: list[Callback], *, interactive: bool) -> pl.Trainer:
    training = run.config.training
    return pl.Trainer(
        accelerator=run.device.type,
        devices=1 if run.device.index is None else [run.device.index],
        precision=_PRECISIONS[training.precision],  # type: ignore[arg-type]
        max_epochs=training.epochs,
        gradient_clip_val=None if run.strategy.manual else training.gradient_clip,
        callbacks=callbacks,
        logger=TensorBoardLogger(run.folder, name="tensorboard", version=""),
        default_root_dir=run.folder,
        enable_model_summary=False,
        enable_progress_bar=interactive,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=10,
    )


def _loader(
    source: BatchSource, training: TrainingConfig, part: str, device: torch.device
) -> CrystalLoader:
    bounded = training.max_atoms is not None
    atoms = source.dataset.atoms_per_crystal[source.indices] if bounded else None
    sampler = BatchSampler(
        len(source),
        training.batch_size,
        shuffle=part == "train",
        seed=training.seed,
        max_atoms=training.max_atoms,
        atoms_per_crystal=atoms,
    )
    return CrystalLoader(
        source,
        sampler,
        num_workers=training.num_workers if part != "test" else 0,
        pin_memory=device.type == "cuda",
    )


def _scores(run: Run, part: str) -> dict[str, Scores]:
    return evaluate(run.encoder, run.tasks, run.loader(part), run.device)


def _summary(
    run: Run, registry: Registry, result: RunResult, citations: list[str]
) -> dict[str, Any]:
    heads = {task.key: _count(task.head) for task in run.tasks}
    encoder = _count(run.encoder)
    return {
        "status": "finished",
        "command": run_folder.command_line(),
        "seed": run.config.training.seed,
        "epochs": run.config.training.epochs,
        "versions": run_folder.versions(),
        "plugins": registry.distributions(),
        "hardware": run_folder.hardware(run.device),
        "parameters": {"encoder": encoder, "heads": heads, "total": encoder + sum(heads.values())},
        "datasets": {prepared.name: _describe(prepared) for prepared in run.datasets},
        "heads": {task.key: _constants(task) for task in run.tasks},
        "metrics": {"test": dict(result.metrics)},
        "baselines": dict(result.baselines),
        "citations": citations,
    }


def _describe(prepared: assemble.PreparedDataset) -> dict[str, Any]:
    provenance = prepared.dataset.provenance
    split = prepared.split
    infos = {label: prepared.dataset.targets[label] for label in prepared.labels}
    return {
        "source": provenance.source,
        "release": provenance.release,
        "licence": provenance.licence,
        "content_hash": provenance.content_hash,
        "split": {
            "algorithm": split.algorithm,
            "seed": split.seed,
            "hash": split.hash,
            "ids_hash": split.ids_hash,
            "sizes": {part: len(indices) for part, indices in prepared.parts.items()},
        },
        "dropped": dict(prepared.dropped),
        "labels": {
            label: {"kind": info.kind, "unit": info.unit, "description": info.description}
            for label, info in infos.items()
        },
    }


def _constants(task: Task) -> dict[str, float]:
    """Return what the head fitted: its scalar buffers."""
    buffers = task.head.named_buffers()
    return {name: value.item() for name, value in buffers if value.numel() == 1}


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _citations(run: Run, registry: Registry) -> list[str]:
    """Return BibTeX for everything the run used, each once."""
    specs: list[Spec] = [registry.get("encoder", run.config.encoder.name)]
    specs += [registry.get("dataset", prepared.name) for prepared in run.datasets]
    specs += [registry.get("task-head", task.head_name) for task in run.tasks]
    if run.config.strategy is not None:
        specs += [registry.get("strategy", run.config.strategy.name)]
    references: list[Reference] = [item for spec in specs for item in spec.references]
    for prepared in run.datasets:
        references += prepared.dataset.provenance.references
    return list({item.key: item.bibtex() for item in references}.values())


def _plugin_callbacks(registry: Registry) -> list[Callback]:
    return [spec.load()() for spec in registry.specs("callback")]


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"'training.device' is '{name}', which is no device; use auto, cpu, cuda or cuda:0."
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "'training.device' is a CUDA device, but torch sees no GPU; use --device cpu, or "
            "install a CUDA build of torch."
        )
    return device


def _is_terminal() -> bool:
    from rich.console import Console  # noqa: PLC0415 - only needed here

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
