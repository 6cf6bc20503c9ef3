"""A prepared run: data, model and strategy, ready to be trained."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from matsciml_core.data.loader import BatchSampler, BatchSource, CrystalLoader
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import Strategy, Task
from matsciml_core.model.components import build_component
from matsciml_core.model.devices import find_device
from matsciml_core.model.objects import ObjectDatasetSpec, ObjectEncoderSpec, class_path_of
from matsciml_core.training import assemble, distributed, run_folder
from matsciml_core.training.config import RunConfig
from matsciml_core.training.initial import freeze, initialise
from matsciml_core.training.weights import Weights, crystal_weights

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry
    from matsciml_core.registry.specs import EncoderSpec

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
    weights: Mapping[str, Weights]
    """Weights of crystals in the training loss by dataset; one that is absent is not weighted."""
    objects: Mapping[str, Mapping[str, str]]
    """Of components that were handed over as objects what can be said of them, by name."""

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of parameters and batches."""
        return _DTYPES[self.config.training.precision]

    def loader(self, subset: str) -> dict[str, CrystalLoader]:
        """Return a loader per dataset for a subset of the split."""
        training = self.config.training
        # The test is rank 0's alone, and is made once: worker processes would not pay off.
        test = subset == "test"
        alone = test or training.processes == 1
        loaders = {}
        for index, prepared in enumerate(self.datasets):
            source = self.source(prepared, subset, index)
            atoms = None  # reading all sizes takes time where a dataset does not know them
            if training.max_atoms is not None:
                atoms = source.dataset.atoms_per_crystal[source.indices]
            sampler = BatchSampler(
                len(source),
                training.batch_size,
                shuffle=subset == "train",
                seed=training.seed,
                max_atoms=training.max_atoms,
                atoms_per_crystal=atoms,
                rank=0 if alone else distributed.rank(),
                world_size=1 if alone else training.processes,
            )
            loaders[prepared.name] = CrystalLoader(
                source,
                sampler,
                num_workers=0 if test else training.num_workers,
                pin_memory=self.device.type == "cuda",
            )
        return loaders

    def source(self, prepared: assemble.PreparedDataset, subset: str, index: int) -> BatchSource:
        """Return the source of batches of one dataset and subset."""
        training = self.config.training
        cached = training.cache_neighbours and subset != "test"
        weighted = subset == "train" or (subset == "validation" and training.weighted_validation)
        return assemble.build_source(
            prepared,
            subset,
            self.encoder,
            dtype=self.dtype,
            cached=cached,
            # The test is made on whole crystals, whatever symmetry saved in training.
            symprec=self.symprec if subset != "test" else None,
            index=index,
            weights=self.weights.get(prepared.name) if weighted else None,
        )


def prepare(
    config: RunConfig, registry: Registry, folder: Path | None = None, *, resumed: bool = False
) -> Run:
    """Build data, model and strategy; a new run folder is made last, when all else is sound.

    Args:
        config: A resolved configuration.
        registry: Where components are looked up.
        folder: The run folder; None: a new one, or that of rank 0.
        resumed: Whether weights come from a checkpoint.

    Returns:
        The prepared run.

    Raises:
        MatSciMLError: Something the user can fix is wrong.
    """
    device = _device(config.training.device, config.training.devices)
    datasets = assemble.prepare_datasets(config, registry)
    # Between data and model: initial weights must not depend on what opening the data drew.
    _seed(config.training.seed)
    spec = registry.get("encoder", config.encoder.name)
    encoder: Encoder = build_component(spec, config.encoder.options, "encoder")
    _check_precision(encoder, config.training.precision)
    objects = _describe_objects(spec, encoder, datasets, registry)
    tasks = assemble.build_tasks(config, registry, datasets, encoder)
    strategy = assemble.build_strategy(config, registry, tasks)
    weights = crystal_weights(config.training, datasets, tasks)
    # After the heads are fitted: what they fit is in float64 whatever the run computes in.
    if config.training.precision == "float64":
        for module in (encoder, strategy, *(task.head for task in tasks)):
            module.to(torch.float64)
    freeze(config, encoder, strategy)
    if not resumed:
        initialise(config, encoder, tasks, partial(_training_batches, config, datasets, encoder))
    return Run(
        config=assemble.expand(config, datasets, tasks),
        folder=folder
        or distributed.folder_of_rank_zero()
        or run_folder.create_run_folder(
            config.output,
            [
                "+".join(prepared.name for prepared in datasets),
                config.encoder.name,
                "+".join(dict.fromkeys(label for one in datasets for label in one.labels)),
            ],
        ),
        datasets=datasets,
        encoder=encoder,
        tasks=tasks,
        strategy=strategy,
        device=device,
        symprec=assemble.usable_symprec(config, spec, encoder, tasks),
        weights=weights,
        objects=objects,
    )


def _training_batches(
    config: RunConfig, datasets: Sequence[assemble.PreparedDataset], encoder: Encoder, name: str
) -> Iterator[CrystalBatch]:
    """Yield the training set of a dataset once, in order, with the edges of the encoder."""
    (prepared,) = (one for one in datasets if one.name == name)
    dtype = _DTYPES[config.training.precision]
    source = assemble.build_source(prepared, "train", encoder, dtype=dtype, cached=False)
    for first in range(0, len(source), config.training.batch_size):
        yield source[range(first, min(first + config.training.batch_size, len(source)))]


def _check_precision(encoder: Encoder, precision: str) -> None:
    """Reject an encoder that was handed over with weights of another type than the run's."""
    dtype = _DTYPES[precision]
    for name, weights in encoder.named_parameters():
        # Encoders are in float32 at first, and are brought into float64 later where asked for.
        if weights.is_floating_point() and weights.dtype not in (torch.float32, dtype):
            raise ConfigError(
                f"The encoder's weights '{name}' are in {weights.dtype}, and the run computes in "
                f"{dtype}; add precision='float64', or convert the encoder with encoder.float()."
            )


def _describe_objects(
    spec: EncoderSpec,
    encoder: Encoder,
    datasets: list[assemble.PreparedDataset],
    registry: Registry,
) -> dict[str, dict[str, str]]:
    """Return the classes of components that were handed over, and a hash of an encoder's weights.

    What a dataset holds is told by the hashes of its content and ids, which every run records.
    """
    objects = {
        one.name: {"class_path": class_path_of(one.dataset)}
        for one in datasets
        if isinstance(registry.get("dataset", one.name), ObjectDatasetSpec)
    }
    if isinstance(spec, ObjectEncoderSpec):
        digest = hashlib.sha256()
        for tensor in encoder.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
        objects[spec.name] = {
            "class_path": class_path_of(encoder),
            "initial_weights": digest.hexdigest(),
        }
    return objects


def _seed(seed: int) -> None:
    """Seed every generator that a component may draw from, in this process and those it starts."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - components of others draw from it
    torch.manual_seed(seed)
    # What Lightning's own seed_everything leaves for processes and workers that it starts; runs
    # without epochs start none, and are spared the seconds of its import.
    os.environ |= {"PL_GLOBAL_SEED": str(seed), "PL_SEED_WORKERS": "1"}


def _device(name: str, count: int) -> torch.device:
    """Return the device that was asked for, after checking that there are ``count`` of it."""
    device = find_device(name)
    if count > 1 and device.index is not None:
        raise ConfigError(
            f"'training.devices' is {count}, but 'training.device' names one of them, '{name}'; "
            f"use {device.type}."
        )
    if count > 1 and hasattr(sys, "ps1"):
        # The other ranks run this program's command line again, and a notebook has none.
        raise ConfigError(
            f"'training.devices' is {count}, which a notebook or prompt cannot start; run a "
            "script, or matsciml run."
        )
    if device.type == "cuda" and count > torch.cuda.device_count():
        raise ConfigError(
            f"'training.devices' is {count}, but torch sees {torch.cuda.device_count()} GPUs here."
        )
    return device
