"""What a run folder holds about the crystals that the run was tested on, written.

The report tells errors apart by crystal system and element, and shows the worst crystals. What it
needs of the data for this is kept in the run folder, so that it can be written again without them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matsciml_core.data.splits.grouping import SYMPREC
from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.errors import MatSciMLError
from matsciml_core.files import write_whole
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal_systems import SPACE_GROUPS
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.elements import symbol
from matsciml_core.model.components import build_component
from matsciml_core.training.config import build_config
from matsciml_core.training.config_data import read_config_file
from matsciml_core.training.run_folder import CONFIG, PREDICTIONS
from matsciml_tool_report.crystal_files import (
    COLUMNS,
    SEARCHED,
    STATED,
    TESTED_CRYSTALS,
    WORST_CRYSTALS,
)
from matsciml_tool_report.error_summary import worst_values
from matsciml_tool_report.run_targets import read_targets
from matsciml_util_pages.run_files import RunFiles

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

MOST_SEARCHED = 2000
"""Crystals of a dataset whose space group is searched for where the data do not state it. Of more,
an even sample is searched."""
_CHUNK = 1024
"""Crystals that are read at once: enough to be fast, and few enough for any memory."""


def open_datasets(folder: Path, registry: Registry) -> dict[str, Dataset] | None:
    """Open the data of a run whose folder does not say what its crystals are.

    Args:
        folder: The run folder.
        registry: Where the datasets are looked up.

    Returns:
        The datasets by name; None where they are not needed, or are not to be had here.
    """
    files = [(folder / name).is_file() for name in (TESTED_CRYSTALS, WORST_CRYSTALS)]
    if all(files) or not (folder / PREDICTIONS).is_file():
        return None
    try:
        config = build_config(read_config_file(folder / CONFIG))
        return {
            item.name: build_component(
                registry.get("dataset", item.name), item.options, f"datasets.{item.name}"
            )
            for item in config.datasets
        }
    except MatSciMLError:
        return None  # the page says what it lacks


def describe(run: RunFiles, datasets: Mapping[str, Dataset]) -> None:
    """Write down which crystals a run was tested on, and what the worst of them look like.

    Args:
        run: What its folder holds, predictions included.
        datasets: The data of the run, by name.
    """
    # Dictionaries as ordered sets: ids by dataset, in the order of the predictions.
    tested: dict[str, dict[str, None]] = {}
    for key, values in run.predictions.items():
        tested.setdefault(key.partition("/")[0], {}).update(dict.fromkeys(values.ids))
    shown: dict[str, dict[str, None]] = {}
    for target in read_targets(run):
        predicted = run.predictions.get(target.key)
        if predicted is not None and len(predicted.labels):
            worst_ids = [value.id for value in worst_values(target.info, predicted)]
            shown.setdefault(target.dataset, {}).update(dict.fromkeys(worst_ids))
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    worst: list[dict[str, Any]] = []
    for name, ids in tested.items():
        if name not in datasets:
            continue
        dataset = datasets[name]
        index_of = {id_: index for index, id_ in enumerate(dataset.ids) if id_ in ids}
        # In the order of the predictions, without those that the data no longer have.
        indices = {id_: index_of[id_] for id_ in ids if id_ in index_of}
        writer.writerows([name, *row] for row in _rows(dataset, indices))
        pictured = {id_: indices[id_] for id_ in shown.get(name, ()) if id_ in indices}
        worst += [{"dataset": name, **crystal} for crystal in _whole(dataset, pictured)]
    write_whole(run.folder / TESTED_CRYSTALS, stream.getvalue().encode())
    write_whole(run.folder / WORST_CRYSTALS, f"{json.dumps(worst)}\n".encode())


def _rows(dataset: Dataset, indices: Mapping[str, int]) -> Iterator[list[str | int]]:
    """Yield id, species, space group, and where that comes from, of each crystal."""
    label = space_group_label(dataset)
    searched: dict[int, int | None] = {}
    if label is None:
        # An even sample of at most MOST_SEARCHED crystals, so that a report does not take minutes.
        count = min(len(indices), MOST_SEARCHED)
        steps = np.linspace(0, len(indices) - 1, count).round().astype(int)
        sample = [list(indices.values())[step] for step in steps]
        for block in _blocks(sample):
            crystals = dataset.__getitems__(block).crystals()
            for index, crystal in zip(block, crystals, strict=True):
                searched[index] = find_space_group(crystal, SYMPREC)
    for block in _blocks(list(indices.items())):
        batch = dataset.__getitems__([index for _, index in block])
        groups = [-1] * len(block) if label is None else batch.targets[label].tolist()
        for (name, index), species, group in zip(block, species_of(batch), groups, strict=True):
            if label is not None:
                yield [name, species, group + 1 if group >= 0 else "", STATED]
            elif index in searched:
                yield [name, species, searched[index] or "", SEARCHED]
            else:
                yield [name, species, "", ""]


def space_group_label(dataset: Dataset) -> str | None:
    """Return the label that states the space groups of a dataset, where it has one."""
    infos = dataset.targets.values()
    return next((info.name for info in infos if info.num_classes == SPACE_GROUPS), None)


def _whole(dataset: Dataset, indices: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield everything that a picture of each crystal needs."""
    if not indices:
        return
    batch, label = dataset.__getitems__(list(indices.values())), space_group_label(dataset)
    for row, crystal in enumerate(batch.crystals()):
        stated = int(batch.targets[label][row]) + 1 if label else 0
        yield {
            "id": crystal.id,
            "space_group": (stated or None) if label else find_space_group(crystal, SYMPREC),
            "atomic_numbers": crystal.atomic_numbers.tolist(),
            "positions": crystal.positions.tolist(),
            "cell": crystal.cell.tolist(),
            "pbc": crystal.pbc.tolist(),
        }


def species_of(batch: CrystalBatch) -> list[str]:
    """Return the atoms of each crystal in their order, for example ``Na4 Cl4`` or ``O Ti O``."""
    numbers, owners = batch.atomic_numbers.numpy(), batch.crystal_index.numpy()
    # A run of atoms ends where the element changes, or the crystal.
    new = np.diff(numbers, prepend=0).astype(bool) | np.diff(owners, prepend=-1).astype(bool)
    starts = np.flatnonzero(new)
    lengths = np.diff(starts, append=len(numbers))
    species: list[list[str]] = [[] for _ in range(batch.num_crystals)]
    for owner, number, length in zip(
        owners[starts].tolist(), numbers[starts].tolist(), lengths.tolist(), strict=True
    ):
        species[owner].append(f"{symbol(number)}{length if length > 1 else ''}")
    return [" ".join(runs) for runs in species]


def _blocks(items: list[Any]) -> Iterator[list[Any]]:
    bounds = [*range(0, len(items), _CHUNK), len(items)]
    return (items[start:stop] for start, stop in pairwise(bounds))
