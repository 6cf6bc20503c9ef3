"""A prepared run: data, model and strategy, ready to be trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
import torch

from matsciml_core.data.loader import BatchSampler, BatchSource, CrystalLoader
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import Strategy, Task
from matsciml_core.model.components import build_component
from matsciml_core.model.devices import find_device
from matsciml_core.training import assemble, distributed, run_folder
from matsciml_core.training.config import RunConfig
from matsciml_core.training.initial import freeze, initialise

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32}


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
    symprec: float | None
    """Tolerance, Å, of the symmetry used in training and validation; None: whole crystals."""

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of parameters and batches."""
        return _DTYPES[self.config.training.precision]

    def loader(self, subset: str) -> dict[str, CrystalLoader]:
        """Return a loader per dataset for a subset of the split."""
        return {
            prepared.name: self._loader(self.source(prepared, subset, number), subset)
            for number, prepared in enumerate(self.datasets)
        }

    def source(self, prepared: assemble.PreparedDataset, subset: str, number: int) -> BatchSource:
        """Return the source of batches of one dataset and subset."""
        cached = self.config.training.cache_neighbours and subset != "test"
        return assemble.build_source(
            prepared,
            subset,
            self.encoder,
            dtype=self.dtype,
            cached=cached,
            # The test is made on whole crystals, whatever symmetry saved in training.
            symprec=self.symprec if subset != "test" else None,
            number=number,
        )

    def _loader(self, source: BatchSource, subset: str) -> CrystalLoader:
        training = self.config.training
        bounded = training.max_atoms is not None
        alone = subset == "test" or training.devices == 1
        sampler = BatchSampler(
            len(source),
            training.batch_size,
            shuffle=subset == "train",
            seed=training.seed,
            max_atoms=training.max_atoms,
            atoms_per_crystal=source.dataset.atoms_per_crystal[source.indices] if bounded else None,
            rank=0 if alone else distributed.rank(),
            world_size=1 if alone else training.devices,
        )
        return CrystalLoader(
            source,
            sampler,
            num_workers=training.num_workers if subset != "test" else 0,
            pin_memory=self.device.type == "cuda",
        )


def prepare(config: RunConfig, registry: Registry, folder: Path | None = None) -> Run:
    """Build data, model and strategy; a new run folder is made last, when all else is sound.

    Args:
        config: A resolved configuration.
        registry: Where components are looked up.
        folder: The folder of a run that is resumed; None: a new one, or that of the first of the
            processes that share the run.

    Returns:
        The prepared run.

    Raises:
        MatSciMLError: Something the user can mend is wrong.
    """
    device = _device(config.training.device, config.training.devices)
    datasets = assemble.prepare_datasets(config, registry)
    pl.seed_everything(config.training.seed, workers=True, verbose=False)
    spec = registry.get("encoder", config.encoder.name)
    encoder: Encoder = build_component(spec, config.encoder.options, "encoder")
    tasks = assemble.build_tasks(config, registry, datasets, encoder)
    strategy = assemble.build_strategy(config, registry, tasks)
    if config.training.precision == "float64":
        for module in (encoder, strategy, *(task.head for task in tasks)):
            module.to(torch.float64)
    freeze(config, encoder, strategy)
    if folder is None:  # a run that is resumed takes all weights from its checkpoint
        initialise(config, encoder, tasks)
    return Run(
        config=config,
        folder=folder
        or distributed.folder_of_rank_zero()
        or run_folder.create_run_folder(config.output, _name_parts(config, datasets)),
        datasets=datasets,
        encoder=encoder,
        tasks=tasks,
        strategy=strategy,
        device=device,
        symprec=assemble.usable_symprec(config, spec, encoder, tasks),
    )


def _name_parts(config: RunConfig, datasets: list[assemble.PreparedDataset]) -> list[str]:
    """Return what names the run folder: datasets, encoder, and the labels that are trained."""
    labels = dict.fromkeys(label for prepared in datasets for label in prepared.labels)
    names = [prepared.name for prepared in datasets]
    return ["+".join(names), config.encoder.name, "+".join(labels)]


def _device(name: str, count: int) -> torch.device:
    """Return the device that was asked for, after checking that there are ``count`` of it."""
    device = find_device(name)
    if count > 1 and device.index is not None:
        raise ConfigError(
            f"'training.devices' is {count}, but 'training.device' names one of them, '{name}'; "
            f"use {device.type}."
        )
    if device.type == "cuda" and count > torch.cuda.device_count():
        raise ConfigError(
            f"'training.devices' is {count}, but torch sees {torch.cuda.device_count()} GPUs here."
        )
    return device
