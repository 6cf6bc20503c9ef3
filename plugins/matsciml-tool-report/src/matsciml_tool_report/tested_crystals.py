"""Writing down which crystals a run was tested on, so that its report needs no data.

The report tells errors apart by crystal system and by element, and shows the worst crystals.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matsciml_core.data.splits.grouping import SYMPREC
from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.errors import MatSciMLError
from matsciml_core.files import write_whole
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.elements import symbol
from matsciml_core.training.run_folder import (
    CONFIG,
    PREDICTIONS,
    TESTED_CRYSTALS,
    WORST_CRYSTALS,
)
from matsciml_tool_report import error_summary
from matsciml_tool_report.classes import SPACE_GROUPS
from matsciml_tool_report.crystals import COLUMNS, SEARCHED, STATED
from matsciml_tool_report.targets import read_targets
from matsciml_util_pages.run_files import RunFiles

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

MOST_SEARCHED = 2000
"""Crystals of a dataset whose space group is searched for where the data do not state it. Of more,
an even sample is searched."""
_CHUNK = 1024


def open_datasets(folder: Path, registry: Registry) -> dict[str, Dataset] | None:
    """Open the data of a run whose folder does not say what its crystals are.

    Args:
        folder: The run folder.
        registry: Where the datasets are looked up.

    Returns:
        The datasets by name; None where they are not needed, or are not to be had here.
    """
    from matsciml_core.model.components import build_component  # noqa: PLC0415 - imports much
    from matsciml_core.training.config import build_config, read_config_file  # noqa: PLC0415

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


def describe(folder: Path, run: RunFiles, datasets: Mapping[str, Dataset]) -> None:
    """Write down which crystals a run was tested on, and what the worst of them look like.

    Args:
        folder: The run folder.
        run: What it holds, predictions included.
        datasets: The data of the run, by name.
    """
    tested: dict[str, dict[str, None]] = {}
    for key, values in run.predictions.items():
        tested.setdefault(key.partition("/")[0], {}).update(dict.fromkeys(values.ids))
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    worst: list[dict[str, Any]] = []
    for name, ids in tested.items():
        if name not in datasets:
            continue
        places = {one: place for place, one in enumerate(datasets[name].ids) if one in ids}
        known = {one: places[one] for one in ids if one in places}
        writer.writerows([name, *row] for row in _rows(datasets[name], known))
        chosen = [one for one in _worst_ids(run, name) if one in known]
        worst += [{"dataset": name, **one} for one in _pictured(datasets[name], chosen, known)]
    write_whole(folder / TESTED_CRYSTALS, stream.getvalue().encode())
    write_whole(folder / WORST_CRYSTALS, f"{json.dumps(worst)}\n".encode())


def _worst_ids(run: RunFiles, dataset: str) -> list[str]:
    """Return the crystals of a dataset that the report shows, each once."""
    chosen: dict[str, None] = {}
    for target in read_targets(run):
        values = run.predictions.get(target.key)
        if target.dataset == dataset and values is not None and len(values.labels):
            chosen.update(
                dict.fromkeys(one.id for one in error_summary.worst_of(target.info, values))
            )
    return list(chosen)


def _rows(dataset: Dataset, places: Mapping[str, int]) -> Iterator[list[str | int]]:
    """Yield id, species, space group, and how that was come by, of each crystal."""
    label = space_group_label(dataset)
    found = {} if label else _search(dataset, list(places.values()))
    for block in _blocks(list(places.items())):
        batch = dataset.__getitems__([place for _, place in block])
        groups = [-1] * len(block) if label is None else batch.targets[label].tolist()
        for (name, place), species, group in zip(block, species_of(batch), groups, strict=True):
            if label is not None:
                yield [name, species, group + 1 if group >= 0 else "", STATED]
            elif place in found:
                yield [name, species, found[place] or "", SEARCHED]
            else:
                yield [name, species, "", ""]


def space_group_label(dataset: Dataset) -> str | None:
    """Return the label that states the space groups of a dataset, where it has one."""
    infos = dataset.targets.values()
    return next((info.name for info in infos if info.num_classes == SPACE_GROUPS), None)


def _search(dataset: Dataset, places: Sequence[int]) -> dict[int, int | None]:
    """Search the space groups of at most ``MOST_SEARCHED`` crystals, evenly drawn."""
    count = min(len(places), MOST_SEARCHED)
    drawn = [places[k] for k in np.linspace(0, len(places) - 1, count).round().astype(int)]
    return {
        place: find_space_group(crystal, SYMPREC)
        for block in _blocks(drawn)
        for place, crystal in zip(block, dataset.__getitems__(block).crystals(), strict=True)
    }


def _pictured(
    dataset: Dataset, ids: Sequence[str], places: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """Yield everything about some crystals."""
    if not ids:
        return
    batch, label = dataset.__getitems__([places[name] for name in ids]), space_group_label(dataset)
    for place, crystal in enumerate(batch.crystals()):
        stated = int(batch.targets[label][place]) + 1 if label else 0
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
    new = np.diff(numbers, prepend=0).astype(bool) | np.diff(owners, prepend=-1).astype(bool)
    starts = np.flatnonzero(new)
    lengths = np.diff(starts, append=len(numbers))
    found: list[list[str]] = [[] for _ in range(batch.num_crystals)]
    for owner, number, length in zip(
        owners[starts].tolist(), numbers[starts].tolist(), lengths.tolist(), strict=True
    ):
        found[owner].append(f"{symbol(number)}{length if length > 1 else ''}")
    return [" ".join(runs) for runs in found]


def _blocks(items: list[Any]) -> Iterator[list[Any]]:
    bounds = [*range(0, len(items), _CHUNK), len(items)]
    return (items[first:last] for first, last in pairwise(bounds))
