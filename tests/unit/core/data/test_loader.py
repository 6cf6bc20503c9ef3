"""Loaders: which crystals are drawn, what batches carry, and that no route changes a bit of it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from matsciml_core.data import CrystalStoreWriter, StoreDataset, attach_neighbours
from matsciml_core.data.loader import (
    BatchSampler,
    BatchSource,
    CrystalLoader,
)
from matsciml_core.data.neighbours import edges
from matsciml_core.data.neighbours.edges import NeighbourCache
from matsciml_core.data.neighbours.neighbour_list import find_edges
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.registry.targets import TargetInfo

COUNT = 60
TARGETS = (
    TargetInfo(name="energy", kind="scalar", unit="eV/atom"),
    TargetInfo(name="metal", kind="binary", unit="class"),
    TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
    TargetInfo(name="rare", kind="scalar", unit="eV"),
)
NEAR = Neighbourhood(cutoff=4.5)
START_METHODS = [
    # Python 3.12 and later warn of threads, torch's in this case, when a process forks.
    pytest.param("fork", marks=pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")),
    pytest.param("spawn", marks=pytest.mark.slow),
]


def make_crystal(number: int) -> Crystal:
    """Return a crystal of 1 to 9 atoms; every third lacks its energy, one alone has ``rare``."""
    random = np.random.default_rng(number)
    atoms = int(random.integers(1, 10))
    cell = np.diag(random.uniform(2.5, 6.0, 3)) + random.uniform(-0.5, 0.5, (3, 3))
    labels = {"metal": number % 2, "forces": random.normal(size=(atoms, 3))}
    labels |= {"energy": random.normal()} if number % 3 else {}
    labels |= {"rare": 1.5} if number == 7 else {}
    return Crystal(
        id=f"c{number}",
        atomic_numbers=random.integers(1, 90, atoms),
        positions=random.uniform(-0.3, 1.3, (atoms, 3)) @ cell,
        cell=cell,
        labels=labels,
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> StoreDataset:
    folder = tmp_path_factory.mktemp("loader") / "store"
    with CrystalStoreWriter(folder, TARGETS, Provenance(source="test"), shard_size=25) as writer:
        for number in range(COUNT):
            writer.add(make_crystal(number))
    return StoreDataset(folder)


def make_source(
    dataset: StoreDataset,
    indices: Sequence[int] = range(COUNT),
    *,
    neighbourhood: Neighbourhood | None = NEAR,
    labels: Sequence[str] = ("energy", "metal", "forces"),
    dtype: torch.dtype = torch.float32,
    cache: NeighbourCache | None = None,
    dataset_index: int = 0,
) -> BatchSource:
    return BatchSource(
        dataset,
        np.asarray(indices, dtype=np.int64),
        neighbourhood=neighbourhood,
        labels=labels,
        dtype=dtype,
        cache=cache,
        dataset_index=dataset_index,
    )


def tensors(batch: CrystalBatch) -> dict[str, torch.Tensor]:
    values = {item.name: getattr(batch, item.name) for item in fields(batch)} | batch.targets
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def assert_same(found: CrystalBatch, expected: CrystalBatch) -> None:
    """Compare bit by bit, order and type included."""
    one, other = tensors(found), tensors(expected)
    assert list(one) == list(other)
    for name, values in one.items():
        assert values.dtype == other[name].dtype, name
        assert values.numpy().tobytes() == other[name].numpy().tobytes(), name
        assert values.shape == other[name].shape, name
    assert found.ids == expected.ids


def places(sampler: BatchSampler, epoch: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch)
    return list(sampler)


class TestSampler:
    @pytest.mark.parametrize("max_atoms", [None, 40])
    @pytest.mark.parametrize("shuffle", [True, False])
    @pytest.mark.parametrize("batch_size", [1, 7, 16, 100])
    def test_every_crystal_once(
        self, dataset: StoreDataset, batch_size: int, shuffle: bool, max_atoms: int | None
    ) -> None:
        sampler = BatchSampler(
            COUNT,
            batch_size,
            shuffle=shuffle,
            max_atoms=max_atoms,
            atoms_per_crystal=dataset.atoms_per_crystal,
        )
        for epoch in range(3):
            batches = places(sampler, epoch)
            drawn = [place for batch in batches for place in batch]
            assert sorted(drawn) == list(range(COUNT))
            assert shuffle or drawn == sorted(drawn)
            assert len(batches) == len(sampler)
            assert all(1 <= len(batch) <= batch_size for batch in batches)

    def test_batches_are_full_but_for_the_last(self) -> None:
        batches = places(BatchSampler(50, 16, shuffle=True))
        assert [len(batch) for batch in batches] == [16, 16, 16, 2]

    def test_the_order_depends_on_seed_and_epoch_alone(self) -> None:
        def order(seed: int, epoch: int) -> list[list[int]]:
            return places(BatchSampler(50, 8, shuffle=True, seed=seed), epoch)

        torch.manual_seed(1)
        first = order(3, 2)
        torch.manual_seed(2)
        torch.rand(5)
        assert order(3, 2) == first
        others = [order(3, 1), order(3, 3), order(4, 2), order(2, 3)]
        assert first not in others
        assert all(one != other for one, other in pairwise(others))

    def test_an_epoch_can_be_drawn_twice_and_out_of_turn(self) -> None:
        sampler = BatchSampler(50, 8, shuffle=True)
        late = places(sampler, 9)
        assert places(sampler, 0) != late
        assert places(sampler, 9) == list(sampler) == late

    def test_without_shuffling_every_epoch_is_alike(self) -> None:
        sampler = BatchSampler(20, 6, shuffle=False)
        assert places(sampler, 0) == places(sampler, 5)

    def test_nothing_to_draw(self) -> None:
        for max_atoms in (None, 10):
            sampler = BatchSampler(
                0, 4, shuffle=True, max_atoms=max_atoms, atoms_per_crystal=np.zeros(0, np.int64)
            )
            assert places(sampler) == []
            assert len(sampler) == 0

    @settings(max_examples=80, deadline=None)
    @given(
        atoms=st.lists(st.integers(1, 60), min_size=1, max_size=50),
        max_atoms=st.integers(1, 80),
        batch_size=st.integers(1, 12),
        seed=st.integers(0, 99),
    )
    def test_atoms_stay_within_the_bound(
        self, atoms: list[int], max_atoms: int, batch_size: int, seed: int
    ) -> None:
        sizes = np.array(atoms)
        sampler = BatchSampler(
            len(atoms),
            batch_size,
            shuffle=True,
            seed=seed,
            max_atoms=max_atoms,
            atoms_per_crystal=sizes,
        )
        batches = places(sampler)
        assert sorted(place for batch in batches for place in batch) == list(range(len(atoms)))
        for batch in batches:
            assert len(batch) <= batch_size
            assert sizes[batch].sum() <= max_atoms or len(batch) == 1
        # A batch is closed only because the next crystal would not have fitted.
        for batch, following in pairwise(batches):
            too_many = sizes[batch].sum() + sizes[following[0]] > max_atoms
            assert len(batch) == batch_size or too_many

    def test_a_crystal_larger_than_the_bound_is_alone(self) -> None:
        sampler = BatchSampler(
            4, 8, shuffle=False, max_atoms=10, atoms_per_crystal=np.array([3, 50, 4, 6])
        )
        assert places(sampler) == [[0], [1], [2, 3]]


class TestSource:
    def test_a_batch_is_complete(self, dataset: StoreDataset) -> None:
        chosen = [8, 1, 30]
        batch = make_source(dataset, dtype=torch.float64)[chosen]
        expected = attach_neighbours(dataset.__getitems__(chosen), NEAR)
        assert batch.ids == ["c8", "c1", "c30"]
        for name in ("atomic_numbers", "positions", "cell", "crystal_index", "edges_per_atom"):
            assert torch.equal(getattr(batch, name), getattr(expected, name)), name
        assert torch.equal(batch.edge_index, expected.edge_index)
        assert torch.equal(batch.cell_shift, expected.cell_shift)
        assert batch.num_edges > 50

    def test_places_are_counted_within_the_subset(self, dataset: StoreDataset) -> None:
        source = make_source(dataset, [40, 2, 11])
        assert len(source) == 3
        assert source[[2, 0]].ids == ["c11", "c40"]
        assert source.plain([1]).ids == ["c2"]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype(self, dataset: StoreDataset, dtype: torch.dtype) -> None:
        batch = make_source(dataset, dtype=dtype)[range(10)]
        floating = {name for name, values in tensors(batch).items() if values.is_floating_point()}
        assert floating == {"positions", "cell", "cell_shift", "energy", "forces"}
        assert {tensors(batch)[name].dtype for name in floating} == {dtype}
        assert batch.targets["metal"].dtype == torch.int64

    @pytest.mark.parametrize("cap", [None, 4])
    def test_edges_are_chosen_in_float64(self, dataset: StoreDataset, cap: int | None) -> None:
        near = Neighbourhood(cutoff=4.5, max_neighbours=cap)
        single = make_source(dataset, neighbourhood=near)[range(COUNT)]
        double = make_source(dataset, neighbourhood=near, dtype=torch.float64)[range(COUNT)]
        assert torch.equal(single.edge_index, double.edge_index)
        assert torch.equal(single.cell_shift.double(), double.cell_shift)

    def test_no_neighbourhood_no_edges(self, dataset: StoreDataset) -> None:
        cache = NeighbourCache()
        batch = make_source(dataset, neighbourhood=None, cache=cache)[[3, 4]]
        assert batch.edge_index is batch.cell_shift is batch.edges_per_atom is None
        assert cache.size == 0

    def test_dataset_index(self, dataset: StoreDataset) -> None:
        batch = make_source(dataset, dataset_index=3)[[5, 6]]
        assert batch.dataset_index.tolist() == [3, 3]
        assert batch.dataset_index.dtype == torch.int64

    def test_only_wanted_labels(self, dataset: StoreDataset) -> None:
        batch = make_source(dataset, labels=["metal"])[[1, 2]]
        assert list(batch.targets) == ["metal"]
        assert batch.targets["metal"].tolist() == [1, 0]

    def test_labels_that_no_crystal_of_the_batch_has_are_dropped(
        self, dataset: StoreDataset
    ) -> None:
        source = make_source(dataset, labels=["energy", "rare"])
        assert list(source[[0, 3]].targets) == []  # neither has an energy
        assert list(source[[0, 1]].targets) == ["energy"]
        with_rare = source[[0, 7]]
        assert list(with_rare.targets) == ["energy", "rare"]
        assert with_rare.targets["rare"].isnan().tolist() == [True, False]

    def test_plain_batches_for_fitting(self, dataset: StoreDataset) -> None:
        batch = make_source(dataset, labels=["energy", "rare"]).plain(range(COUNT))
        assert batch.positions.dtype == batch.targets["energy"].dtype == torch.float64
        assert batch.edge_index is None
        assert list(batch.targets) == ["energy", "rare"]
        stored = dataset.__getitems__(range(COUNT)).targets["energy"]
        assert batch.targets["energy"].numpy().tobytes() == stored.numpy().tobytes()


class TestCachedSource:
    """With a cache, whatever is in it, batches are the same bit by bit."""

    BATCHES = ([0, 1, 2, 3], [3, 2, 59], [4, 5, 0], [59], list(range(COUNT)), [7, 7, 1])

    @pytest.mark.parametrize("limit", [0, 700, 5000, 1 << 30])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("near", [NEAR, Neighbourhood(cutoff=6.0, max_neighbours=5)])
    def test_bit_by_bit(
        self, dataset: StoreDataset, near: Neighbourhood, dtype: torch.dtype, limit: int
    ) -> None:
        cache = NeighbourCache(limit)
        plain = make_source(dataset, neighbourhood=near, dtype=dtype)
        cached = make_source(dataset, neighbourhood=near, dtype=dtype, cache=cache)
        for _ in range(2):
            for chosen in self.BATCHES:
                assert_same(cached[chosen], plain[chosen])
            assert cache.size <= limit

    def test_a_crystal_is_searched_once(
        self, dataset: StoreDataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And a batch of which some crystals are new searches those alone."""
        source = make_source(dataset, cache=NeighbourCache())
        source[range(0, COUNT, 2)]
        searched = []

        def count(*arguments: Any) -> Any:
            searched.append(len(arguments[3]))
            return find_edges(*arguments)

        monkeypatch.setattr(edges, "find_edges", count)
        source[[0, 1, 2, 3, 5]]
        source[[1, 4, 7]]
        source[range(0, COUNT, 2)]
        assert searched == [3, 1]

    def test_nothing_is_searched_where_all_is_known(
        self, dataset: StoreDataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = make_source(dataset, cache=NeighbourCache())
        source[range(COUNT)]

        def refuse(*_: object) -> None:
            raise AssertionError("searched again")

        monkeypatch.setattr(edges, "find_edges", refuse)
        assert source[[9, 4, 50]].num_edges > 0
        with pytest.raises(AssertionError, match="searched again"):
            make_source(dataset)[[9]]

    def test_crystals_are_remembered_by_their_index_in_the_dataset(
        self, dataset: StoreDataset
    ) -> None:
        """Subsets of one dataset may share a cache."""
        cache = NeighbourCache()
        one = make_source(dataset, range(30), cache=cache)
        other = make_source(dataset, range(20, 60), cache=cache)
        one[range(30)]
        for chosen in ([0, 5], [12, 30]):
            assert_same(other[chosen], make_source(dataset, range(20, 60))[chosen])


def make_loader(
    dataset: StoreDataset,
    num_workers: int = 0,
    method: str | None = None,
    *,
    max_atoms: int | None = None,
    cache: NeighbourCache | None = None,
) -> tuple[CrystalLoader, BatchSampler]:
    sampler = BatchSampler(
        COUNT,
        8,
        shuffle=True,
        seed=5,
        max_atoms=max_atoms,
        atoms_per_crystal=dataset.atoms_per_crystal,
    )
    made = CrystalLoader(make_source(dataset, cache=cache), sampler, num_workers=num_workers)
    if method is not None:
        made.multiprocessing_context = method
    return made, sampler


@pytest.fixture(scope="module")
def epochs(dataset: StoreDataset) -> list[list[CrystalBatch]]:
    """The batches of three epochs, made one by one."""
    source, sampler = make_source(dataset), BatchSampler(COUNT, 8, shuffle=True, seed=5)
    return [[source[chosen] for chosen in places(sampler, epoch)] for epoch in range(3)]


def assert_all_same(found: Sequence[CrystalBatch], expected: Sequence[CrystalBatch]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


class TestLoader:
    def test_an_epoch(self, dataset: StoreDataset, epochs: list[list[CrystalBatch]]) -> None:
        made, _ = make_loader(dataset)
        assert len(made) == len(epochs[0]) == 8
        assert_all_same(list(made), epochs[0])

    @pytest.mark.parametrize("method", START_METHODS)
    def test_workers_change_nothing(
        self, dataset: StoreDataset, epochs: list[list[CrystalBatch]], method: str
    ) -> None:
        """In any epoch; the workers stay, and learn of the new order."""
        made, sampler = make_loader(dataset, 2, method)
        for epoch, expected in enumerate(epochs):
            sampler.set_epoch(epoch)
            assert_all_same(list(made), expected)

    @pytest.mark.parametrize("method", START_METHODS)
    def test_workers_with_caches_change_nothing(
        self, dataset: StoreDataset, epochs: list[list[CrystalBatch]], method: str
    ) -> None:
        made, sampler = make_loader(dataset, 2, method, cache=NeighbourCache(limit=4000))
        for epoch, expected in enumerate(epochs):
            sampler.set_epoch(epoch)
            assert_all_same(list(made), expected)

    def test_batches_bounded_by_atoms(self, dataset: StoreDataset) -> None:
        made, _ = make_loader(dataset, max_atoms=20)
        batches = list(made)
        assert len(batches) == len(made) > 8
        assert max(batch.num_atoms for batch in batches) <= 20
        assert sorted(name for batch in batches for name in batch.ids) == sorted(dataset.ids)

    def test_a_source_can_be_sent_to_another_process(self, dataset: StoreDataset) -> None:
        source = make_source(dataset)
        source[[0]]  # the store is open
        assert_same(pickle.loads(pickle.dumps(source))[[4, 2]], source[[4, 2]])


WORKERS = [
    pytest.param(0, id="no workers"),
    pytest.param(
        2, id="workers", marks=pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    ),
]


@pytest.mark.parametrize("num_workers", WORKERS)
class TestResume:
    """A run that stops within an epoch goes on with exactly the batches that were left."""

    @staticmethod
    def interrupt(made: CrystalLoader, after: int) -> tuple[list[CrystalBatch], dict[str, int]]:
        batches: Iterator[CrystalBatch] = iter(made)
        served = [next(batches) for _ in range(after)]
        return served, made.state_dict()

    @pytest.mark.parametrize("after", [1, 5, 7])
    def test_exactly_the_rest(
        self,
        dataset: StoreDataset,
        epochs: list[list[CrystalBatch]],
        num_workers: int,
        after: int,
    ) -> None:
        made, sampler = make_loader(dataset, num_workers)
        sampler.set_epoch(1)
        served, state = self.interrupt(made, after)
        assert_all_same(served, epochs[1][:after])

        resumed, sampler = make_loader(dataset, num_workers)
        sampler.set_epoch(1)
        resumed.load_state_dict(state)
        assert_all_same(list(resumed), epochs[1][after:])

        sampler.set_epoch(2)
        assert_all_same(list(resumed), epochs[2])  # skipped once, not for ever

    def test_interrupted_twice(
        self, dataset: StoreDataset, epochs: list[list[CrystalBatch]], num_workers: int
    ) -> None:
        _, state = self.interrupt(make_loader(dataset, num_workers)[0], 3)
        second, _ = make_loader(dataset, num_workers)
        second.load_state_dict(state)
        served, state = self.interrupt(second, 2)
        assert_all_same(served, epochs[0][3:5])
        third, _ = make_loader(dataset, num_workers)
        third.load_state_dict(state)
        assert_all_same(list(third), epochs[0][5:])

    def test_before_the_first_batch_nothing_is_skipped(
        self, dataset: StoreDataset, epochs: list[list[CrystalBatch]], num_workers: int
    ) -> None:
        state = make_loader(dataset, num_workers)[0].state_dict()
        resumed, _ = make_loader(dataset, num_workers)
        resumed.load_state_dict(state)
        assert_all_same(list(resumed), epochs[0])

    def test_after_a_complete_epoch_the_next_one_is_complete(
        self, dataset: StoreDataset, epochs: list[list[CrystalBatch]], num_workers: int
    ) -> None:
        made, _ = make_loader(dataset, num_workers)
        list(made)
        resumed, sampler = make_loader(dataset, num_workers)
        resumed.load_state_dict(made.state_dict())
        sampler.set_epoch(1)
        assert_all_same(list(resumed), epochs[1])


def test_first_atoms_are_those_of_the_batch(dataset: StoreDataset) -> None:
    """Edges of the second crystal of a cached batch start behind the atoms of the first."""
    source = make_source(dataset, cache=NeighbourCache())
    source[[10, 20]]
    batch = source[[20, 10]]
    first = int(batch.atoms_per_crystal[0])
    sender_atoms: NDArray[np.int64] = batch.edge_index[0].numpy()
    in_second = batch.edge_crystal_index.numpy() == 1
    assert sender_atoms[in_second].min() >= first > sender_atoms[~in_second].max()
