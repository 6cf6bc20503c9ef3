"""Structures of files with what a model says of them, and those that it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.split import Split
from matsciml_core.model.components import build_component
from matsciml_core.model.inputs import InputStructure, in_batches
from matsciml_core.model.prediction import Prediction
from matsciml_core.model.trained import BATCH_SIZE, MAX_ATOMS, Ensemble, TrainedModel
from matsciml_core.progress import Meter, Report, silent
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.training.config import build_config
from matsciml_core.training.config_data import read_config_file
from matsciml_core.training.run_folder import CONFIG

if TYPE_CHECKING:
    from matsciml_core.interfaces.dataset import Dataset
    from matsciml_core.registry.manager import Registry

MOST_TRAINING = 20_000
"""Training structures that a pool is compared with; of more, a random part."""
_KINDS = ("forces", "energy")
"""Labels by whose spread structures are taken, unless told otherwise: forces say most of where a
potential fails."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A structure that may be taken."""

    record: InputStructure
    crystal: Crystal
    prediction: Prediction


@dataclass
class Collector:
    """Keeps what :func:`matsciml_core.model.predict_files.predict_files` predicts."""

    candidates: list[Candidate] = field(default_factory=list)

    def write(self, record: InputStructure, crystal: Crystal, prediction: Prediction) -> None:
        """Keep a structure with its prediction."""
        self.candidates.append(Candidate(record=record, crystal=crystal, prediction=prediction))

    def flush(self) -> None:
        """Do nothing: all is kept in memory."""


def choose_label(model: TrainedModel, label: str | None) -> str:
    """Return the label by whose spread structures are taken.

    Args:
        model: The model.
        label: What the user named; None: forces, energy, or the first label with a spread.

    Raises:
        ConfigError: The model predicts no such label, or no label has a spread.
    """
    with_spread = [name for name, one in model.uncertainties.items() if one.spread]
    if label is not None and label not in model.targets:
        raise ConfigError(
            f"The model predicts no '{label}'.{did_you_mean(label, model.targets)} Labels: "
            f"{', '.join(model.targets)}."
        )
    if not with_spread or (label is not None and label not in with_spread):
        raise ConfigError(
            f"The model in '{model.folder}' knows no spread of "
            f"{label or 'what it predicts'}; name an ensemble, see matsciml ensemble, or take "
            "structures with --by diversity."
        )
    if label is not None:
        return label
    by_kind = {model.targets[name].kind: name for name in reversed(with_spread)}
    return next((by_kind[kind] for kind in _KINDS if kind in by_kind), with_spread[0])


def spread_of(candidate: Candidate, label: str, info: TargetInfo) -> float:
    """Return how far models differ on a structure, in the unit that :func:`spread_unit` says.

    Of forces, and whatever else has components, it is the norm of their standard deviations; of
    labels per atom that of the atom with the largest; extensive labels are divided by the number
    of atoms, since otherwise the largest cell would always be taken first.

    Args:
        candidate: The structure.
        label: Name of the label.
        info: The label.
    """
    values = np.asarray(candidate.prediction.spreads[label], dtype=np.float64)
    rows = values.reshape(len(values) if info.per_atom else 1, -1)
    largest = float(np.linalg.norm(rows, axis=1).max())
    return largest / candidate.crystal.num_atoms if info.extensive else largest


def spread_unit(info: TargetInfo) -> str:
    """Return the unit of :func:`spread_of`."""
    if info.is_class:
        return "probability"
    return f"{info.unit}/atom" if info.extensive else info.unit


def training_crystals(model: TrainedModel, registry: Registry, seed: int) -> list[Crystal]:
    """Return what a model, or any member of an ensemble, was trained on.

    Args:
        model: The model.
        registry: Where datasets are looked up.
        seed: Seed of the random part that is taken of more than ``MOST_TRAINING``.

    Returns:
        The crystals; none where the model has no run folder.

    Raises:
        MatSciMLError: The dataset cannot be opened.
    """
    members = model.members if isinstance(model, Ensemble) else (model,)
    crystals: list[Crystal] = []
    names = dict.fromkeys(task.dataset for member in members for task in member.tasks)
    for name in names:
        # A member may come without its run, as from an exported ensemble; the others count.
        runs = [one.folder for one in members if _split_file(one.folder, name).is_file()]
        runs = [folder for folder in runs if (folder / CONFIG).is_file()]
        if not runs:
            continue
        splits = [Split.load(_split_file(folder, name)) for folder in runs]
        trained = {id for split in splits for id in split.subsets["train"]}
        dataset = _open(runs[0], name, registry)
        indices = [k for k, id in enumerate(dataset.ids) if id in trained]
        if len(indices) > MOST_TRAINING:
            chosen = np.random.default_rng(seed).permutation(len(indices))[:MOST_TRAINING]
            indices = [indices[k] for k in sorted(chosen.tolist())]
        crystals += [dataset[k] for k in indices]
    return crystals


def embed(
    model: TrainedModel, crystals: Sequence[Crystal], name: str, report: Report = silent
) -> NDArray[np.float32]:
    """Return the embeddings of structures, ``(structures, width)``, dimensionless.

    Of an ensemble they are those of all members, side by side.

    Args:
        model: The model.
        crystals: The structures.
        name: What they are, for the progress.
        report: Receives progress.

    Raises:
        MatSciMLError: The model cannot take one of them.
    """
    members: Iterable[TrainedModel] = model.members if isinstance(model, Ensemble) else (model,)
    meter = Meter(f"embedding {name}", report, unit="structures", total=len(crystals))
    rows = []
    for batch in in_batches(crystals, lambda one: one.num_atoms, BATCH_SIZE, MAX_ATOMS):
        with torch.no_grad():
            parts = [one.encoder(one.batch(batch)).crystals for one in members]
        rows.append(torch.cat(parts, dim=1).to("cpu", torch.float32).numpy())
        meter.add(len(batch))
    meter.finish()
    return np.concatenate(rows)


def _split_file(folder: Path, dataset: str) -> Path:
    return folder / f"split-{dataset}.json"


def _open(folder: Path, name: str, registry: Registry) -> Dataset:
    """Return a dataset of a run with the settings that it had there."""
    config = build_config(read_config_file(folder / CONFIG))
    options = next((item.options for item in config.datasets if item.name == name), {})
    dataset: Dataset = build_component(registry.get("dataset", name), options, f"datasets.{name}")
    return dataset
