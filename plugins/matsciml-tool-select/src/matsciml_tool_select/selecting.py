"""From files to the structures that are worth computing, and a table of why."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers.detection import assign
from matsciml_core.data.readers.extxyz import write_frame
from matsciml_core.errors import DataError, MatSciMLError
from matsciml_core.files import open_whole_text
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import formula
from matsciml_core.model.inputs import read_structures
from matsciml_core.model.predict_files import Tally, predict_files
from matsciml_core.progress import Report, silent
from matsciml_tool_select.pool import (
    Candidate,
    Collector,
    choose_label,
    embed,
    spread_of,
    spread_unit,
    training_crystals,
)
from matsciml_tool_select.selection import MIN_DISTANCE, By, Choice, Selection, select_structures

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel
    from matsciml_core.registry.manager import Registry


@dataclass(frozen=True, kw_only=True)
class SelectionRequest:
    """What is asked for."""

    count: int
    """Structures to select."""
    by: By = "both"
    label: str | None = None
    """Label of the spread; None: forces, else energy, else the first that has one."""
    known: tuple[Path, ...] = ()
    """Files with structures that are computed already, beside the training set."""
    min_distance: float = MIN_DISTANCE
    """Distance in the embedding below which structures are near-twins, 1 being typical."""
    seed: int = 0
    """Seed of what is drawn, and of the part that is taken of a large training set."""
    format: str | None = None
    """Name of the reader of the candidates; None: by the files' names and content."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the candidates' format, as plain data, and of ``known`` files of that format."""


@dataclass(frozen=True, kw_only=True)
class Selected:
    """What was selected."""

    candidates: Sequence[Candidate]
    """The selected ones, in order."""
    selection: Selection
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Entries of the table, a row for each candidate."""
    values: Sequence[dict[str, Any]]
    """What is written beside each structure, by key."""
    tally: Tally
    """What became of the files' structures."""
    compared: str
    """What the candidates were compared with, in a sentence."""
    spreads: NDArray[np.float64] | None = None
    """Spread of every candidate, ``(candidates,)``, in the unit that its title names; None: none
    was asked for."""
    spread_title: str = ""
    """What the spreads are of, with their unit."""


def run_selection(
    model: TrainedModel,
    files: Sequence[Path],
    request: SelectionRequest,
    registry: Registry,
    report: Report = silent,
) -> Selected:
    """Select structures of files.

    Args:
        model: A model with a spread, such as an ensemble; any for ``diversity`` and ``random``.
        files: Files, or folders of files.
        request: What to select.
        registry: Where readers and datasets are looked up.
        report: Receives progress.

    Raises:
        ConfigError: The model predicts no label, or knows no spread.
        DataError: A file of ``known`` cannot be read.
    """
    needs_spread = request.by in ("both", "spread")
    label = choose_label(model, request.label) if needs_spread or request.label else None
    collector = Collector()
    tally = predict_files(
        model,
        files,
        collector,
        format=request.format,
        options=request.options,
        registry=registry,
        uncertainty=label is not None,
        report=report,
    )
    spreads = None
    candidates = collector.candidates
    if label is not None:
        info = model.targets[label]
        spreads = np.array([spread_of(one, label, info) for one in candidates])
        spreads = _drop_endless(candidates, spreads, tally)
    if not candidates:
        empty = Selection(
            choices=(), to_training=np.empty(0), twins_of_training=0, twins_of_taken=0
        )
        return Selected(
            candidates=(), selection=empty, titles=(), rows=(), values=(), tally=tally, compared=""
        )
    training, compared = _known(model, files, request, registry)
    pool = embed(model, [one.crystal for one in candidates], "candidates", report)
    known = embed(model, training, "known structures", report) if training else pool[:0]
    selection = select_structures(
        pool,
        known,
        request.count,
        by=request.by,
        spreads=spreads,
        min_distance=request.min_distance,
        seed=request.seed,
    )
    chosen = [candidates[choice.index] for choice in selection.choices]
    values = [
        _values(choice, None if spreads is None else float(spreads[choice.index]))
        for choice in selection.choices
    ]
    reasons = [
        _reason(request.by, choice, one, spreads, bool(training))
        for one, choice in zip(chosen, selection.choices, strict=True)
    ]
    spread = f"spread of {label} ({spread_unit(model.targets[label])})" if label else "spread"
    return Selected(
        candidates=chosen,
        selection=selection,
        titles=("file", "formula", "id", spread, "distance to training set", "reason"),
        rows=[_row(*entry) for entry in zip(chosen, values, reasons, strict=True)],
        values=values,
        tally=tally,
        compared=compared,
        spreads=spreads,
        spread_title=spread if label else "",
    )


def write_selected(selected: Selected, structures: Path, table: Path) -> None:
    """Write the structures as extended XYZ, and the table as CSV, in the order of selection.

    Args:
        selected: At least one.
        structures: The file of the structures.
        table: The file of the table.
    """
    with open_whole_text(structures) as stream:
        for candidate, values in zip(selected.candidates, selected.values, strict=True):
            crystal = replace(candidate.crystal, id=candidate.record.id)
            write_frame(stream, crystal, values=values)
    with open_whole_text(table, newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(selected.titles)
        writer.writerows(selected.rows)


def _drop_endless(
    candidates: list[Candidate], spreads: NDArray[np.float64], tally: Tally
) -> NDArray[np.float64]:
    """Leave out candidates on which a member says nothing finite, and return the others' spreads.

    They would be selected first, and are mostly structures that no computation will accept either.
    """
    finite: NDArray[np.bool_] = np.isfinite(spreads)
    for candidate, usable in zip(candidates, finite.tolist(), strict=True):
        if not usable:
            tally.skip(candidate.record, "A model predicts nothing finite for it.")
            tally.predicted -= 1
    candidates[:] = [one for one, usable in zip(candidates, finite, strict=True) if usable]
    kept: NDArray[np.float64] = spreads[finite]
    return kept


def _known(
    model: TrainedModel, files: Sequence[Path], request: SelectionRequest, registry: Registry
) -> tuple[list[Crystal], str]:
    """Return the known structures, and a sentence that says which these are."""
    listed: list[Crystal] = []
    formats = _formats(files, registry, request.format)
    for path in request.known:
        options = request.options if _formats([path], registry) <= formats else {}
        for structure in read_structures([path], None, registry, options=options):
            if structure.crystal is None:
                raise DataError(f"'{path}' of --known cannot be used: {structure.problem}")
            listed.append(structure.crystal)
    try:
        trained = training_crystals(model, registry, request.seed)
        why = "the model has no run folder with its data"
    except MatSciMLError as error:
        trained, why = [], str(error).rstrip(".")
    count = f"{len(trained):,} training structures"
    if not trained:
        count = f"no training structures ({why}; name files with --known)"
    more = f" and {len(listed):,} of --known" if listed else ""
    return [*trained, *listed], f"Compared with {count}{more}."


def _formats(files: Sequence[Path], registry: Registry, format: str | None = None) -> set[str]:
    """Return the names of the formats that files are of."""
    assigned = chain.from_iterable(assign(path, registry, format) for path in files)
    return {item.spec.name for item in assigned if item.spec is not None}


def _values(choice: Choice, spread: float | None) -> dict[str, Any]:
    """Return what is written beside a structure; what is not known is left out."""
    values = {"spread": spread, "distance_to_training": choice.to_training}
    return {key: one for key, one in values.items() if one is not None and np.isfinite(one)}


def _row(candidate: Candidate, values: Mapping[str, Any], reason: str) -> list[str]:
    """Return the line of the table for a structure that was selected."""
    return [
        str(candidate.record.path),
        formula(candidate.crystal.atomic_numbers),
        candidate.record.id,
        _text(values.get("spread")),
        _text(values.get("distance_to_training")),
        reason,
    ]


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _reason(
    by: By,
    choice: Choice,
    candidate: Candidate,
    spreads: NDArray[np.float64] | None,
    trained: bool,
) -> str:
    """Return why a structure was selected."""
    parts = []
    if by == "random":
        parts.append("drawn at random")
    if by in ("spread", "both") and spreads is not None:
        rank = int((spreads > spreads[choice.index]).sum()) + 1
        parts.append(f"spread {rank} of {len(spreads)}")
    if by in ("diversity", "both"):
        if np.isfinite(choice.to_taken):
            parts.append(f"{choice.to_taken:z.2f} from the nearest selected")
        elif not trained:
            parts.append("first, nothing to be far from")
    if candidate.prediction.unseen_elements:
        unseen = " ".join(candidate.prediction.unseen_elements)
        parts.append(f"elements new to the model: {unseen}")
    return "; ".join(parts) or "farthest from the training set"
