"""The two ways from disk to batch that ``data_path.py`` compares, step by step."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import _measure
import lmdb
import numpy as np
import torch
from pymatgen.core import Structure
from torch import Tensor

from matsciml_core import Crystal, CrystalBatch, Neighbourhood
from matsciml_core.data import attach_neighbours
from matsciml_core.data.loader import BatchSource, NeighbourCache
from matsciml_data_mp.dataset import MaterialsProject

try:
    from ase import Atoms
    from ase.neighborlist import neighbor_list
except ImportError:  # measured only where it is installed
    neighbor_list = None

CUTOFF = 6.0
"""Å."""
LABEL = "formation_energy_per_atom"
"""What the batches of the complete path carry; decoding alone carries all labels."""
BATCH = 32
DECODED = 40 * BATCH
"""Structures that decoding is measured on."""
SEARCHED = 5 * BATCH
"""Structures that neighbour lists are measured on; the slow way takes 10 ms for each."""

Sample = dict[str, Any]


def tasks(folder: Path) -> list[_measure.Task]:
    """Prepare everything that is timed, and check that both ways give the same batches.

    Args:
        folder: Where to write the pickled structures.

    Returns:
        The tasks, named as in ``data_path.LABELS``.
    """
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dataset = MaterialsProject()
    order = np.random.default_rng(0).permutation(len(dataset))[:DECODED]
    batches = [chunk.tolist() for chunk in np.split(order, DECODED // BATCH)]
    few = batches[: SEARCHED // BATCH]
    pickles = Pickles(folder / "pickled.lmdb", dataset, order.tolist())
    source, cached = _sources(dataset)
    _check_same(source[few[0]], collate([pickles.sample(k) for k in few[0]]))
    return [
        *_decoding(dataset, pickles, batches),
        *_searching(dataset, few),
        *_paths(source, cached, pickles, few),
    ]


class Pickles:
    """Crystals as toolkits keep them: one pickled dictionary with a pymatgen structure per key.

    The file is written here and read back by the same process, so that unpickling is safe.
    """

    def __init__(self, path: Path, dataset: MaterialsProject, indices: Sequence[int]) -> None:
        """Write the crystals with those labels that they have."""
        self.environment = lmdb.open(str(path), subdir=False, map_size=1 << 28, lock=False)
        with self.environment.begin(write=True) as transaction:
            for index in indices:
                crystal = dataset[index]
                record = {"structure": structure(crystal), "id": crystal.id, **crystal.labels}
                data = pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL)
                transaction.put(str(index).encode(), data)

    def __getitem__(self, index: int) -> Sample:
        """Return one record, as the ``__getitem__`` of a map-style dataset does."""
        with self.environment.begin() as transaction:
            record: Sample = pickle.loads(transaction.get(str(index).encode()))
        return record

    def sample(self, index: int) -> Sample:
        """Return one crystal as tensors, with the edges that ``get_all_neighbors`` finds."""
        record = self[index]
        found = record["structure"].get_all_neighbors(CUTOFF)
        sender = [near.index for site in found for near in site]
        image = [near.image for site in found for near in site]
        counts = torch.tensor([len(site) for site in found])
        receiver = torch.repeat_interleave(torch.arange(len(found)), counts)
        return tensors(record, (LABEL,)) | {
            "edge_index": torch.stack((torch.tensor(sender), receiver)),
            "cell_shift": torch.tensor(np.array(image), dtype=torch.float32),
        }


def structure(crystal: Crystal) -> Structure:
    """Return the pymatgen structure of a crystal."""
    return Structure(
        crystal.cell,
        crystal.atomic_numbers.tolist(),
        crystal.positions,
        coords_are_cartesian=True,
    )


def tensors(record: Sample, labels: Collection[str]) -> Sample:
    """Return the tensors of one sample, float32, with those of the wanted labels that it has."""
    crystal = record["structure"]
    return {
        "atomic_numbers": torch.tensor(crystal.atomic_numbers),
        "positions": torch.tensor(crystal.cart_coords, dtype=torch.float32),
        "cell": torch.tensor(crystal.lattice.matrix, dtype=torch.float32),
        "targets": {name: torch.tensor(record[name]) for name in labels if name in record},
        "id": record["id"],
    }


def collate(samples: Sequence[Sample]) -> Sample:
    """Join samples; atoms are renumbered, and a label that is missing becomes NaN."""
    counts = torch.tensor([len(sample["atomic_numbers"]) for sample in samples])
    batch: Sample = {
        "atomic_numbers": torch.cat([sample["atomic_numbers"] for sample in samples]),
        "positions": torch.cat([sample["positions"] for sample in samples]),
        "cell": torch.stack([sample["cell"] for sample in samples]),
        "crystal_index": torch.repeat_interleave(torch.arange(len(samples)), counts),
        "targets": _collate_labels(samples),
        "ids": [sample["id"] for sample in samples],
    }
    if "edge_index" in samples[0]:
        offsets = (torch.cumsum(counts, 0) - counts).tolist()
        edges = [s["edge_index"] + first for s, first in zip(samples, offsets, strict=True)]
        batch["edge_index"] = torch.cat(edges, dim=1)
        batch["cell_shift"] = torch.cat([sample["cell_shift"] for sample in samples])
    return batch


def _collate_labels(samples: Sequence[Sample]) -> dict[str, Tensor]:
    missing = torch.tensor(torch.nan)
    names = sorted({name for sample in samples for name in sample["targets"]})
    return {
        name: torch.stack([sample["targets"].get(name, missing) for sample in samples])
        for name in names
    }


def _sources(dataset: MaterialsProject) -> tuple[BatchSource, BatchSource]:
    """Return the project's own way, without and with a cache."""
    made = [
        BatchSource(
            dataset,
            np.arange(len(dataset)),
            neighbourhood=Neighbourhood(cutoff=CUTOFF),
            labels=(LABEL,),
            cache=cache,
        )
        for cache in (None, NeighbourCache())
    ]
    return made[0], made[1]


def _check_same(batch: CrystalBatch, other: Sample) -> None:
    """Refuse to compare the speed of two ways that differ in what they deliver."""
    if batch.ids != other["ids"]:
        raise RuntimeError("The two ways deliver different crystals.")
    _expect_close(batch.positions, other["positions"], "positions")
    _expect_close(batch.cell, other["cell"], "cells")
    edges = batch.without_edges()
    edges.edge_index, edges.cell_shift = other["edge_index"], other["cell_shift"]
    ours = torch.linalg.vector_norm(batch.edge_vectors(), dim=1).sort().values
    theirs = torch.linalg.vector_norm(edges.edge_vectors(), dim=1).sort().values
    # Pairs at the cutoff itself are found or not as rounding has it.
    inside = [lengths[lengths < CUTOFF - 1e-4] for lengths in (ours, theirs)]
    _expect_close(inside[0], inside[1], "edges")


def _expect_close(one: Tensor, other: Tensor, what: str) -> None:
    if one.shape != other.shape or not torch.allclose(one, other, rtol=0.0, atol=1e-4):
        raise RuntimeError(f"The two ways deliver different {what}.")


def _each(function: Callable[[Any], object], arguments: Sequence[Any]) -> Callable[[], None]:
    def run() -> None:
        for argument in arguments:
            function(argument)

    return run


def _decoding(
    dataset: MaterialsProject, pickles: Pickles, batches: Sequence[list[int]]
) -> list[_measure.Task]:
    def batch_of(indices: list[int]) -> Sample:
        return collate([tensors(pickles[k], dataset.targets) for k in indices])

    # A list of 32 structures is held at a time, as by a loader that collates them.
    return [
        _measure.Task("decode", _each(dataset.__getitems__, batches), items=DECODED, loops=20),
        _measure.Task(
            "unpickle",
            _each(lambda batch: [pickles[k] for k in batch], batches),
            items=DECODED,
        ),
        _measure.Task("unpickle_batch", _each(batch_of, batches), items=DECODED),
    ]


def _searching(dataset: MaterialsProject, batches: Sequence[list[int]]) -> list[_measure.Task]:
    neighbourhood = Neighbourhood(cutoff=CUTOFF)
    decoded = [dataset.__getitems__(batch) for batch in batches]
    structures = [structure(crystal) for batch in decoded for crystal in batch.crystals()]
    search = partial(attach_neighbours, neighbourhood=neighbourhood)
    found = [
        _measure.Task("search", _each(search, decoded), items=SEARCHED, loops=10),
        _measure.Task(
            "get_all_neighbors",
            _each(lambda crystal: crystal.get_all_neighbors(CUTOFF), structures),
            items=SEARCHED,
        ),
        _measure.Task(
            "get_neighbor_list",
            _each(lambda crystal: crystal.get_neighbor_list(CUTOFF), structures),
            items=SEARCHED,
            loops=5,
        ),
    ]
    return found + _ase(structures)


def _ase(structures: Sequence[Structure]) -> list[_measure.Task]:
    """Return the search by ASE, where it is installed."""
    if neighbor_list is None:
        return []
    atoms = [
        Atoms(
            numbers=crystal.atomic_numbers,
            positions=crystal.cart_coords,
            cell=crystal.lattice.matrix,
            pbc=True,
        )
        for crystal in structures
    ]
    return [
        _measure.Task(
            "ase",
            _each(lambda crystal: neighbor_list("ijS", crystal, CUTOFF), atoms),
            items=SEARCHED,
        )
    ]


def _paths(
    source: BatchSource, cached: BatchSource, pickles: Pickles, batches: Sequence[list[int]]
) -> list[_measure.Task]:
    return [
        _measure.Task("path", _each(source.__getitem__, batches), items=SEARCHED, loops=10),
        _measure.Task(
            "objects",
            _each(lambda batch: collate([pickles.sample(k) for k in batch]), batches),
            items=SEARCHED,
        ),
        _measure.Task("cached", _each(cached.__getitem__, batches), items=SEARCHED, loops=50),
    ]
