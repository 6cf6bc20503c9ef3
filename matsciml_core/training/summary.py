"""``run.json``: everything about a run that is not a curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.elements import atomic_number, symbol
from matsciml_core.interfaces.structure import targets_of
from matsciml_core.model.evaluate import MODEL, Scores
from matsciml_core.model.location import CALIBRATION
from matsciml_core.model.objects import OBJECT
from matsciml_core.model.pretrained import PRETRAINED
from matsciml_core.model.storage import save_model
from matsciml_core.registry.environments import environment_record
from matsciml_core.registry.specs import Reference, RunResult, Spec
from matsciml_core.training import run_folder
from matsciml_core.training.assemble import PreparedDataset
from matsciml_core.training.initial import ANCESTOR, describe_init
from matsciml_core.training.outcome import Fitted
from matsciml_core.training.precision import precision_record
from matsciml_core.training.prepare import Run
from matsciml_core.training.segments import read_segments
from matsciml_core.training.weights import describe_weights

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry


_CHUNK = 1024
"""Crystals read at once."""


def result_of(scores: Mapping[str, Scores]) -> RunResult:
    """Return the metrics of the model and of the baselines, as plain numbers."""
    return RunResult(
        metrics={key: score.summary(MODEL) for key, score in scores.items()},
        baselines={
            key: {name: score.summary(name) for name in score.predictors}
            for key, score in scores.items()
        },
    )


def summarise(
    run: Run, registry: Registry, fitted: Fitted, result: RunResult, validation: RunResult
) -> dict[str, Any]:
    """Return what ``run.json`` says.

    Args:
        run: The run, trained.
        registry: Where its components are from.
        fitted: How the training went.
        result: Metrics of the test set.
        validation: Metrics of the validation set.

    Returns:
        Plain data.
    """
    init = describe_init(run)
    inherited = [] if init is None else init.pop("citations", [])
    rows = run_folder.read_metrics(run.folder)
    segments = read_segments(run.folder)
    heads = {task.key: _count(task.head) for task in run.tasks}
    encoder = _count(run.encoder)
    return {
        "status": run_folder.FINISHED,
        # Of the whole run: it began with the first segment, and took as long as all of them.
        "command": segments[0]["command"],
        "started": segments[0]["started"],
        "wall_seconds": round(sum(segment["wall_seconds"] for segment in segments), 1),
        "training_seconds": round(float(rows[-1]["seconds"]), 1),
        "seed": run.config.training.seed,
        "epochs": len(rows),
        "stopped_early": fitted.stopped_early,
        "best_epoch": fitted.best_epoch,
        "tested_epochs": list(fitted.tested_epochs),
        "budget": fitted.budget,
        "segments": segments,
        "versions": run_folder.versions(),
        "environment": environment_record(),
        "plugins": registry.distributions(),
        "hardware": run_folder.hardware(run.device),
        "precision": precision_record(registry.get("encoder", run.config.encoder.name), run.config),
        "parameters": {"encoder": encoder, "heads": heads, "total": encoder + sum(heads.values())},
        "elements": elements(run),
        "init": init,
        "objects": dict(run.objects),
        "datasets": {
            prepared.name: _describe_dataset(run, prepared, registry) for prepared in run.datasets
        },
        # What a head fitted are its buffers; those of one number are worth reading.
        "heads": {
            task.key: {
                name: value.item()
                for name, value in task.head.named_buffers()
                if value.numel() == 1
            }
            for task in run.tasks
        },
        "metrics": {"test": dict(result.metrics), "validation": dict(validation.metrics)},
        "baselines": dict(result.baselines),
        "citations": list(dict.fromkeys([*citations(run, registry), *inherited])),
    }


def save_run_model(
    run: Run, registry: Registry, summary: Mapping[str, Any], validation: Mapping[str, Scores]
) -> None:
    """Write the trained model of a run into its folder.

    Args:
        run: The run, trained.
        registry: Where its components are from.
        summary: What :func:`summarise` says of the run.
        validation: Scores of the validation set, on which intervals are calibrated.
    """
    options = run.config.encoder.options
    record = (summary["init"] or {}).get(PRETRAINED)
    ancestor = {} if record is None else {ANCESTOR: record}
    calibrations = {key: score.calibration for key, score in validation.items()}
    intervals = {key: one.as_data() for key, one in calibrations.items() if one is not None}
    save_model(
        run.folder,
        run.config.encoder.name,
        run.encoder,
        run.tasks,
        {
            "citations": citations(run, registry),
            "elements": summary["elements"],
            **({CALIBRATION: intervals} if intervals else {}),
            **ancestor,
        },
        options if OBJECT in options else None,
    )


def elements(run: Run) -> list[str]:
    """Return the symbols of the elements in the training sets, in the order of their numbers."""
    found: set[int] = set()
    for prepared in run.datasets:
        for batch in _batches(prepared, "train"):
            found.update(np.unique(batch.atomic_numbers.numpy()).tolist())
    return [symbol(number) for number in sorted(found)]


def unseen_elements(run: Run, known: Sequence[str]) -> list[str]:
    """Say which elements stand in the test set of a dataset and in no training set.

    Args:
        run: The run.
        known: Symbols of the elements in its training sets, see :func:`elements`.

    Returns:
        A sentence for each dataset that has such crystals.
    """
    trained = [number for name in known if (number := atomic_number(name)) is not None]
    notes = []
    for prepared in run.datasets:
        strange: set[int] = set()
        guesses = 0
        for batch in _batches(prepared, "test"):
            numbers = batch.atomic_numbers.numpy()
            new = ~np.isin(numbers, trained)
            strange.update(np.unique(numbers[new]).tolist())
            guesses += len(np.unique(batch.crystal_index.numpy()[new]))
        if strange:
            names = ", ".join(sorted(map(symbol, strange)))
            notes.append(
                f"{prepared.name}: {guesses:,} of {len(prepared.subsets['test']):,} test crystals "
                f"hold {names}, which no training crystal has; what the model says of them is a "
                "guess."
            )
    return notes


def _batches(prepared: PreparedDataset, subset: str) -> Iterator[CrystalBatch]:
    indices = prepared.subsets[subset].tolist()
    for first in range(0, len(indices), _CHUNK):
        yield prepared.dataset.__getitems__(indices[first : first + _CHUNK])


def _describe_dataset(run: Run, prepared: PreparedDataset, registry: Registry) -> dict[str, Any]:
    """Return where a dataset is from, how it was split, weighted and labelled, and what is known.

    Published are the errors that others reached on these data and the labels that are trained.
    """
    weights = run.weights.get(prepared.name)
    provenance = prepared.dataset.provenance
    split = prepared.split
    infos = {label: targets_of(prepared.dataset)[label] for label in prepared.labels}
    named = {reference.key: reference for reference in provenance.references}
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
            "sizes": {subset: len(indices) for subset, indices in prepared.subsets.items()},
        },
        "dropped": dict(prepared.dropped),
        "labels": {
            label: {key: value for key, value in info.as_data().items() if key != "name"}
            for label, info in infos.items()
        },
        **(
            {}
            if weights is None
            else {"weights": describe_weights(run.config.training, prepared, weights)}
        ),
        "published": {
            f"{entry.reference}/{entry.target}/{entry.metric}": asdict(entry)
            | {"source": named[entry.reference].citation}
            for entry in registry.get("dataset", prepared.name).published
            if entry.target in prepared.labels and entry.reference in named
        },
    }


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def citations(run: Run, registry: Registry) -> list[str]:
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
