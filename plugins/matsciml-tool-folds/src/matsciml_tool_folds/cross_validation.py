"""Cross-validation: a run for each fold, and what they say together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matsciml_core import train
from matsciml_core.errors import ConfigError
from matsciml_core.files import write_json
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.structure import targets_of
from matsciml_core.model.components import build_component
from matsciml_core.training import assemble
from matsciml_core.training.config import RunConfig, dump_config
from matsciml_tool_folds.fold_folder import REPORT, RESULTS, FoldFolder, digest
from matsciml_tool_folds.making import FoldRequest, Folds
from matsciml_tool_folds.page import write_report
from matsciml_tool_folds.results import read_results, summary, write_predictions

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_ELSEWHERE = ("output",)
"""Sections of the configuration that change no number."""


def cross_validate(
    config: Mapping[str, Any],
    request: FoldRequest,
    registry: Registry,
    *,
    folder: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    tell: Callable[[str], object] = print,
) -> Path:
    """Train a run for each fold, test it on that fold, and write what they say together.

    Folds that have finished are not trained again, and one that was interrupted goes on from its
    last checkpoint, so that the same call continues whatever stopped it.

    Args:
        config: The configuration of the runs as plain data, see :class:`matsciml_core.RunConfig`.
        request: The folds.
        registry: Where components are looked up.
        folder: Where everything is written; None: a folder named by the settings, in ``output`` of
            the configuration.
        quiet: Whether the runs show no progress.
        tell: Receives a sentence as each fold begins, and one about what was assumed of the data.

    Returns:
        The folder.

    Raises:
        MatSciMLError: Something the user can fix is wrong.
        RunInterrupted: The user pressed Ctrl-C.
    """
    resolved = assemble.resolve(config, registry)
    dataset = _open(resolved, registry)
    folds = request.make(dataset, _label(resolved, dataset))
    settings = {key: value for key, value in dump_config(resolved).items() if key not in _ELSEWHERE}
    settings["split"] = {**settings["split"], "name": None}
    place = FoldFolder(Path(folder) if folder is not None else _named(resolved, settings, folds))
    if folds.assumed:
        tell(f"Note: {folds.assumed}")
    with place.locked():
        place.begin(folds, settings, dataset.provenance.content_hash)
        try:
            for fold in range(folds.number):
                if not place.concluded(fold):
                    tell(f"Fold {fold + 1} of {folds.number}")
                    _train(place, fold, settings, registry, quiet=quiet)
        finally:
            _conclude(place, folds)
    return place.path


def _conclude(place: FoldFolder, folds: Folds) -> None:
    """Write what the finished folds say together, also where the others are missing."""
    found = read_results(place, folds.record())
    if found is not None:
        write_predictions(found)
        write_json(place.path / RESULTS, summary(found))
        write_report(found, place.path / REPORT)


def _train(
    place: FoldFolder, fold: int, settings: Mapping[str, Any], registry: Registry, *, quiet: bool
) -> None:
    """Train the run of a fold, from its last checkpoint where there is one."""
    begun = place.begun(fold)
    if begun is not None:
        train(resume=begun, registry=registry, quiet=quiet)
        return
    split = {**settings["split"], "name": str(place.split_file(fold))}
    config = {**settings, "split": split, "output": str(place.of(fold))}
    train(config, registry=registry, quiet=quiet)


def _open(config: RunConfig, registry: Registry) -> Dataset:
    """Return the one dataset of the runs."""
    if len(config.datasets) > 1:
        names = ", ".join(item.name for item in config.datasets)
        raise ConfigError(f"Folds are made of one dataset, and there are several ({names}).")
    if config.split.name is not None:
        raise ConfigError(
            f"'split.name' is '{config.split.name}', and folds make splits of their own; leave it "
            "away, and say how they are made with --by."
        )
    for key in ("devices", "nodes"):
        count = getattr(config.training, key)
        if count > 1:
            raise ConfigError(
                f"'training.{key}' is {count}, and a fold is trained on one device; leave it away."
            )
    (item,) = config.datasets
    dataset: Dataset = build_component(
        registry.get("dataset", item.name), item.options, config.section_of(item)
    )
    return dataset


def _label(config: RunConfig, dataset: Dataset) -> str:
    """Return the first label that the runs learn."""
    names = [target.rpartition("/")[2] for target in config.targets]
    return names[0] if names and names[0] in targets_of(dataset) else next(iter(dataset.targets))


def _named(config: RunConfig, settings: Mapping[str, Any], folds: Folds) -> Path:
    """Return the folder that these settings and folds have, and no others."""
    labels = "+".join(target.rpartition("/")[2] for target in config.targets)
    parts = ["folds", config.datasets[0].name, config.encoder.name, *([labels] if labels else [])]
    name = "-".join([*parts, digest({"config": settings, "folds": folds.record()})])
    return Path(config.output) / name.replace("/", "_")
