"""Ensembles: several trained models as one, and how long its intervals must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matsciml_core.data.store.labelled import labelled
from matsciml_core.errors import ConfigError
from matsciml_core.files import copy_whole, delivering
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.split import Split
from matsciml_core.model.components import build_component
from matsciml_core.model.ensembles import write_ensemble
from matsciml_core.model.location import DESCRIPTION, ENSEMBLE, TENSORS, find_model
from matsciml_core.model.prediction import name_labels
from matsciml_core.model.trained import Ensemble, TrainedModel, load
from matsciml_core.model.uncertainty import FEWEST, Calibration, calibrate, has_interval
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.training.config import build_config
from matsciml_core.training.config_data import read_config_file
from matsciml_core.training.run_folder import CONFIG
from matsciml_tool_folds.fold_folder import RECORD, FoldFolder

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_MOST = 5_000
"""Crystals on which intervals are calibrated; more would hardly change a quantile."""


def make_ensemble(
    runs: Sequence[Path], folder: Path, registry: Registry, *, copy: bool = False
) -> Ensemble:
    """Write an ensemble of trained models.

    Its intervals are calibrated on the validation crystals of the members, each predicted by those
    members that were not trained on it; members without a run folder leave it without intervals.

    Args:
        runs: Folders of runs or of exported models; of a cross-validation, the runs of all folds.
        folder: Where to; made where it is missing.
        registry: Where components are looked up.
        copy: Whether to copy the models into the folder, so that it can be shared.

    Returns:
        The ensemble, on the processor.

    Raises:
        ConfigError: There are fewer than two models, their labels differ, or the folder is that of
            something else.
        DataError: A file is damaged.
    """
    places = [find_model(place) for run in runs for place in _runs_of(run)]
    places = list(dict.fromkeys(places))
    _check_folder(folder, places, copy=copy)
    if len(places) < 2:
        raise ConfigError(
            f"An ensemble needs at least two models, and there is {len(places)}; name several "
            "runs, for example of different --seed."
        )
    members = [load(place, device="cpu", registry=registry) for place in places]
    # Checks that they belong together, before anything is written.
    Ensemble(members, {}, folder, "")
    calibrations = calibrate_members(members, registry)
    folder.mkdir(parents=True, exist_ok=True)
    if copy:
        # Together or not at all: copies without a manifest would be in the way of the next try.
        with delivering(folder) as part:
            copies = [_copied(one, part / f"member-{k}") for k, one in enumerate(places, start=1)]
            write_ensemble(part, copies, calibrations)
    else:
        write_ensemble(folder, places, calibrations)
    return Ensemble(members, calibrations, folder, "")


def _check_folder(folder: Path, places: Sequence[Path], *, copy: bool) -> None:
    """Reject a folder that holds another thing than an ensemble, or members that copies replace."""
    entries = folder.iterdir() if folder.is_dir() else ()
    # What a killed copy left begins with a dot.
    present = sorted(one.name for one in entries if not one.name.startswith("."))
    if present and ENSEMBLE not in present:
        raise ConfigError(
            f"'{folder}' holds something else than an ensemble ('{present[0]}' is there), among "
            "which none is written; name an empty or a new folder with --output."
        )
    within = [place for place in places if place.resolve().is_relative_to(folder.resolve())]
    if copy and within:
        raise ConfigError(
            f"'{within[0]}' lies in the folder that the copies are written to, which could replace "
            "it; name another folder with --output."
        )


def calibrate_members(
    members: Sequence[TrainedModel], registry: Registry
) -> dict[str, Calibration]:
    """Calibrate intervals around the mean of members on crystals that these were not trained on.

    Args:
        members: At least two models of the same labels.
        registry: Where datasets are looked up.

    Returns:
        By ``"<dataset>/<label>"``; empty where a member has no run folder beside it.
    """
    found: dict[str, Calibration] = {}
    for name in dict.fromkeys(task.dataset for task in members[0].tasks):
        files = [member.folder / f"split-{name}.json" for member in members]
        if not all(file.is_file() for file in [*files, members[0].folder / CONFIG]):
            continue
        splits = [Split.load(file) for file in files]
        dataset = _open(members[0].folder, name, registry)
        for label, (task, info) in name_labels(members[0].tasks).items():
            if task.dataset == name and has_interval(info):
                errors = _held_out(members, splits, dataset, label, info)
                found[f"{name}/{info.name}"] = errors.calibration(info, len(members))
    return found


@dataclass(frozen=True)
class _HeldOut:
    """What members say of crystals that they were not trained on."""

    crystals: Sequence[Crystal]
    predictions: Sequence[Sequence[float]]
    """Of each crystal, by those members that were not trained on it."""

    def calibration(self, info: TargetInfo, members: int) -> Calibration:
        """Return the intervals around the mean over the members."""
        labels = np.array([float(one.labels[info.name]) for one in self.crystals])
        means = np.array([np.mean(row) for row in self.predictions])
        # The spread of fewer members than predict later would be another.
        whole = members >= FEWEST and all(len(row) == members for row in self.predictions)
        return calibrate(
            means - labels,
            spreads=np.array([np.std(row, ddof=1) for row in self.predictions]) if whole else None,
            atoms=np.array([one.num_atoms for one in self.crystals]) if info.extensive else None,
        )


def _held_out(
    members: Sequence[TrainedModel],
    splits: Sequence[Split],
    dataset: Dataset,
    label: str,
    info: TargetInfo,
) -> _HeldOut:
    """Predict validation crystals by the members that were not trained on them."""
    trained = [set(split.subsets["train"]) for split in splits]
    validation = {name for split in splits for name in split.subsets["validation"]}
    present = labelled(dataset, [info.name])
    indices = [k for k, name in enumerate(dataset.ids) if name in validation and present[k]]
    if len(indices) > _MOST:
        chosen = np.random.default_rng(0).permutation(len(indices))[:_MOST]
        indices = [indices[k] for k in sorted(chosen.tolist())]
    crystals = [dataset[k] for k in indices]
    rows: list[list[float]] = [[] for _ in crystals]
    for member, seen in zip(members, trained, strict=True):
        new = [k for k, crystal in enumerate(crystals) if crystal.id not in seen]
        predictions = member.stream(crystals[k] for k in new)
        for k, prediction in zip(new, predictions, strict=True):
            rows[k].append(float(prediction.values[label]))
    return _HeldOut(crystals, rows)


def _open(folder: Path, name: str, registry: Registry) -> Dataset:
    """Return a dataset of a run with the settings that it had there."""
    config = build_config(read_config_file(folder / CONFIG))
    (item,) = (item for item in config.datasets if item.name == name)
    dataset: Dataset = build_component(
        registry.get("dataset", name), item.options, config.section_of(item)
    )
    return dataset


def _runs_of(run: Path) -> list[Path]:
    """Return the run folders that a path stands for."""
    if not (run / RECORD).is_file():
        return [run]
    place = FoldFolder(run)
    finished = [place.finished(fold) for fold in range(len(list(run.glob("fold-*"))))]
    missing = finished.count(None)
    if missing:
        raise ConfigError(
            f"{missing} of the folds in '{run}' have not finished; train them first, by the "
            "command that made the folder."
        )
    return [one for one in finished if one is not None]


def _copied(source: Path, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    for name in (TENSORS, DESCRIPTION):
        copy_whole(source / name, target / name)
    return target
