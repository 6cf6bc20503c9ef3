"""Loaders: from a dataset and an encoder's neighbourhood to a stream of ready batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from matsciml_core.data.neighbours.edges import EdgeSource, NeighbourCache, attach
from matsciml_core.data.symmetry.orbits import OrbitSource
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.interfaces.head import label_mask
from matsciml_core.interfaces.structure import read_crystals


class BatchSource(TorchDataset[CrystalBatch]):
    """Serves whole batches of a subset of a dataset, ready for an encoder.

    Args:
        dataset: Where the crystals come from.
        indices: The subset to serve, ``(crystals,)``, dimensionless.
        neighbourhood: The edges to attach; None: none.
        labels: Names of the labels to carry; the others are dropped.
        dtype: Floating-point type of the batches. Edges are chosen in float64 before.
        cache: Where to keep edges; None: they are searched anew each time.
        orbits: Where the crystals' symmetry comes from, so that only the edges into
            symmetry-distinct atoms are attached; None: all edges are.
        dataset_index: Index of the dataset within the run.
        weights: Weight of every crystal of the dataset in the loss of a label, by label,
            ``(crystals,)``, dimensionless; None: all count alike.
    """

    def __init__(
        self,
        dataset: Dataset,
        indices: NDArray[np.int64],
        *,
        neighbourhood: Neighbourhood | None,
        labels: Sequence[str],
        dtype: torch.dtype = torch.float32,
        cache: NeighbourCache | None = None,
        orbits: OrbitSource | None = None,
        dataset_index: int = 0,
        weights: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        """Keep what is needed to make batches."""
        self.dataset = dataset
        self.indices = indices
        self.edges = None if neighbourhood is None else EdgeSource(neighbourhood, cache)
        self.labels = tuple(labels)
        self.dtype = dtype
        self.orbits = orbits if neighbourhood is not None else None
        self.dataset_index = dataset_index
        self.weights = weights or {}

    def __len__(self) -> int:
        """Return the number of crystals in this subset."""
        return len(self.indices)

    def __getitem__(self, positions: Sequence[int]) -> CrystalBatch:
        """Return the batch of the crystals at several positions of this subset."""
        indices = self.indices[np.asarray(positions)].tolist()
        batch = read_crystals(self.dataset, indices, self.labels)
        if self.orbits is not None:
            batch = replace(batch, asymmetric_unit=self.orbits.unit(batch, indices))
        edges = None if self.edges is None else self.edges.find(batch, indices)
        dataset = torch.full((batch.num_crystals,), self.dataset_index, dtype=torch.int64)
        batch = replace(
            batch,
            targets=self._present(batch),
            dataset_index=dataset,
            weights={n: torch.from_numpy(w[indices]) for n, w in self.weights.items()},
        )
        # After symmetry and edges, which are found in the precision of the data.
        batch = batch.to(dtype=self.dtype)
        return batch if edges is None else attach(batch, edges)

    def plain(self, positions: Sequence[int]) -> CrystalBatch:
        """Return a float64 batch with labels and without edges, as heads are fitted on."""
        indices = self.indices[np.asarray(positions)].tolist()
        batch = read_crystals(self.dataset, indices, self.labels)
        return replace(batch, targets=self._present(batch))

    def _present(self, batch: CrystalBatch) -> dict[str, torch.Tensor]:
        """Return the requested labels that at least one crystal of the batch has."""
        return {
            name: batch.targets[name]
            for name in self.labels
            if bool(label_mask(batch.targets[name], batch.target_info[name]).any())
        }


class BatchSampler(Sampler[list[int]]):
    """Samples batches bounded by crystals and, if asked, by atoms.

    The order depends on the seed and the epoch alone. With a bound on atoms a batch is closed
    before it would exceed either bound, so memory stays flat however the sizes vary; a crystal
    larger than the bound gets a batch of its own.

    Args:
        count: Number of crystals.
        batch_size: Most crystals in a batch.
        shuffle: Whether to sample in random order.
        seed: Seed of the order.
        max_atoms: Most atoms in a batch; None: any number.
        atoms_per_crystal: ``(crystals,)``, dimensionless; needed with ``max_atoms``.
        rank: Index of this process among those that share each batch.
        world_size: Number of these processes. Each serves every ``world_size``-th crystal of a
            batch, which is none where the batch has fewer crystals than there are processes.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        max_atoms: int | None = None,
        atoms_per_crystal: NDArray[np.int64] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Keep the bounds."""
        self.count = count
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.max_atoms = max_atoms
        self.atoms_per_crystal = atoms_per_crystal
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is sampled next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches of the current epoch."""
        if self.max_atoms is None:
            return -(-self.count // self.batch_size)
        return len(self._batches())

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the current epoch, each a list of positions in the subset."""
        for batch in self._batches():
            yield batch[self.rank :: self.world_size]

    def _batches(self) -> list[list[int]]:
        order = np.arange(self.count)
        if self.shuffle:
            # From seed and epoch alone, so that a resumed run, and every rank, has the same order.
            generator = np.random.Generator(np.random.PCG64([self.seed, self.epoch]))
            order = generator.permutation(self.count)
        if self.max_atoms is None or self.atoms_per_crystal is None:
            cuts = range(0, self.count, self.batch_size)
            return [order[first : first + self.batch_size].tolist() for first in cuts]
        return self._packed(order, self.atoms_per_crystal, self.max_atoms)

    def _packed(
        self, order: NDArray[np.int64], atoms: NDArray[np.int64], limit: int
    ) -> list[list[int]]:
        batches: list[list[int]] = []
        batch: list[int] = []
        total = 0
        for position, size in zip(order.tolist(), atoms[order].tolist(), strict=True):
            if batch and (len(batch) == self.batch_size or total + size > limit):
                batches.append(batch)
                batch, total = [], 0
            batch.append(position)
            total += size
        return [*batches, batch] if batch else batches


class CrystalLoader(DataLoader[CrystalBatch | None]):
    """A DataLoader over a :class:`BatchSource` that can resume in the middle of an epoch.

    It serves None in place of a batch that this process has no crystal of.

    Args:
        source: Makes the batches.
        sampler: Says which crystals go into which batch.
        num_workers: Processes that prepare batches ahead; 0: none.
        pin_memory: Whether to copy batches into page-locked memory.
    """

    def __init__(
        self,
        source: BatchSource,
        sampler: BatchSampler,
        *,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        """Set up a loader that takes whole batches from the source."""
        # batch_size=None: the sampler's items are lists of positions, and the source returns
        # batches.
        super().__init__(
            _Share(source),
            batch_size=None,
            sampler=_Resumable(sampler),
            num_workers=num_workers,
            collate_fn=_unchanged,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            # A seed is sampled for each pass; from torch's global generator it would shift the
            # random numbers of a run that is resumed within an epoch.
            generator=torch.Generator(),
        )
        self._served = 0

    def __iter__(self) -> Iterator[CrystalBatch | None]:  # type: ignore[override]
        """Serve the batches of an epoch, after those that were served before an interruption."""
        resumable: _Resumable = self.sampler  # type: ignore[assignment]
        self._served = resumable.skip
        for batch in super().__iter__():
            self._served += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the current epoch were served."""
        return {"served": self._served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next epoch after the batches that were served."""
        resumable: _Resumable = self.sampler  # type: ignore[assignment]
        finished = state["served"] >= len(resumable.sampler)
        resumable.skip = 0 if finished else state["served"]


class _Share(TorchDataset["CrystalBatch | None"]):
    """Serves None where a process has no crystal of a batch."""

    def __init__(self, source: BatchSource) -> None:
        self.source = source

    def __getitem__(self, positions: list[int]) -> CrystalBatch | None:
        return self.source[positions] if positions else None


class _Resumable(Sampler[list[int]]):
    """Skips the first batches of the next epoch, once."""

    def __init__(self, sampler: BatchSampler) -> None:
        self.sampler = sampler
        self.skip = 0

    def set_epoch(self, epoch: int) -> None:
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        for index, positions in enumerate(self.sampler):
            if index >= skip:
                yield positions


def _unchanged(batch: Any) -> Any:
    return batch
