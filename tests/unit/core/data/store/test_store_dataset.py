"""StoreDataset: a dataset on a store, whole or in subset, with shipped splits."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from matsciml_core import random_split
from matsciml_core.data import CrystalStoreWriter, StoreDataset
from matsciml_core.errors import ConfigError, DataError, SplitError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset, Provenance
from matsciml_core.interfaces.split import Split
from matsciml_core.registry.targets import TargetInfo

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
IDS = [f"x-{number:02d}" for number in range(40)]


def make_crystal(number: int) -> Crystal:
    """Return a crystal of 1 to 4 atoms with its number as gap."""
    atoms = 1 + number % 4
    return Crystal(
        id=IDS[number],
        atomic_numbers=np.full(atoms, 6),
        positions=np.arange(3.0 * atoms).reshape(-1, 3),
        cell=np.eye(3) * 10,
        labels={"gap": float(number)},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 40 crystals, and two splits."""
    folder = tmp_path_factory.mktemp("data")
    with CrystalStoreWriter(folder / "store", (GAP,), Provenance(source="test")) as writer:
        for number in range(40):
            writer.add(make_crystal(number))
    (folder / "splits").mkdir()
    random_split(IDS, seed=9).save(folder / "splits" / "fixed.json")
    other = Split(algorithm="by hand", seed=None, subsets={"train": tuple(IDS[:30]), "test": ()})
    other.save(folder / "splits" / "older.json")
    return folder


@pytest.fixture
def dataset(folder: Path) -> StoreDataset:
    """All crystals."""
    return StoreDataset(folder / "store", split_folder=folder / "splits")


class Slow(Dataset):
    """The same data through the defaults of the interface."""

    targets = {"gap": GAP}
    provenance = Provenance(source="test")

    def __len__(self) -> int:
        """Return 40."""
        return 40

    def __getitem__(self, index: int) -> Crystal:
        """Return one crystal."""
        return make_crystal(index)


class TestWhole:
    def test_agrees_with_the_defaults_of_the_interface(self, dataset: StoreDataset) -> None:
        slow = Slow()
        assert dataset.ids == slow.ids == IDS
        assert dataset.atoms_per_crystal.tolist() == slow.atoms_per_crystal.tolist()
        assert dataset.split("random", seed=4) == slow.split("random", seed=4)
        fast, reference = dataset.__getitems__([5, 3]), slow.__getitems__([5, 3])
        assert torch.equal(fast.positions, reference.positions)
        assert fast.targets["gap"].tolist() == [5.0, 3.0]

    def test_one_crystal(self, dataset: StoreDataset) -> None:
        crystal = dataset[6]
        assert crystal.id == "x-06"
        assert crystal.labels == {"gap": 6.0}
        assert crystal.positions.tolist() == make_crystal(6).positions.tolist()

    @pytest.mark.parametrize("index", [-1, 40])
    def test_out_of_range(self, dataset: StoreDataset, index: int) -> None:
        with pytest.raises(IndexError):
            dataset[index]

    def test_iteration_ends(self, dataset: StoreDataset) -> None:
        assert [crystal.id for crystal in dataset] == IDS

    def test_declares_the_stores_targets_and_provenance(self, dataset: StoreDataset) -> None:
        assert dataset.targets == {"gap": GAP}
        assert dataset.provenance.source == "test"
        assert len(dataset.provenance.content_hash) == 64

    def test_pickles(self, dataset: StoreDataset) -> None:
        assert dataset[0].id == pickle.loads(pickle.dumps(dataset))[0].id


class TestSplits:
    def test_shipped_splits_come_first_and_random_last(self, dataset: StoreDataset) -> None:
        assert dataset.split_names == ("fixed", "older", "random")

    def test_the_first_is_the_default_and_has_its_own_seed(self, dataset: StoreDataset) -> None:
        assert dataset.split(seed=1) == dataset.split("fixed") == random_split(IDS, seed=9)

    def test_random_takes_the_seed(self, dataset: StoreDataset) -> None:
        assert dataset.split("random", seed=1).hash != dataset.split("random", seed=2).hash

    def test_without_a_folder_there_is_random_only(self, folder: Path) -> None:
        plain = StoreDataset(folder / "store")
        assert plain.split_names == ("random",)
        assert plain.split().seed == 0

    def test_unknown_names_get_a_suggestion(self, dataset: StoreDataset) -> None:
        with pytest.raises(ConfigError, match=r"no split 'fixd'\. Did you mean 'fixed'\?"):
            dataset.split("fixd")

    def test_a_split_of_other_data_is_refused(self, dataset: StoreDataset) -> None:
        with pytest.raises(SplitError, match="10 of the dataset's are not in it"):
            dataset.split("older").indices(dataset.ids)


class TestKeepOnly:
    @pytest.fixture
    def small(self, dataset: StoreDataset) -> StoreDataset:
        """The crystals of at most two atoms."""
        dataset.keep_only(np.flatnonzero(dataset.atoms_per_crystal <= 2))
        return dataset

    def test_length_ids_and_sizes_follow(self, small: StoreDataset) -> None:
        expected = [name for number, name in enumerate(IDS) if number % 4 < 2]
        assert len(small) == 20
        assert small.ids == expected
        assert small.atoms_per_crystal.tolist() == [1, 2] * 10

    def test_ids_and_crystals_belong_together(self, small: StoreDataset) -> None:
        batch = small.__getitems__([19, 0, 2])
        assert batch.ids == [small.ids[k] for k in (19, 0, 2)] == ["x-37", "x-00", "x-04"]
        assert small[2].id == "x-04"
        assert batch.targets["gap"].tolist() == [37.0, 0.0, 4.0]

    @pytest.mark.parametrize("indices", [[20], [-1], [], [0, 39]])
    def test_indices_outside_the_subset_are_refused(
        self, small: StoreDataset, indices: list[int]
    ) -> None:
        with pytest.raises(IndexError, match=r"\[0, 20\)"):
            small.__getitems__(indices)

    def test_shipped_split_keeps_its_subsets(self, small: StoreDataset) -> None:
        whole = random_split(IDS, seed=9)
        split = small.split()
        assert split.algorithm == "random, restricted"
        for subset, indices in split.indices(small.ids).items():
            assert {small.ids[k] for k in indices} == set(whole.subsets[subset]) & set(small.ids)

    def test_random_split_is_made_of_what_is_left(self, small: StoreDataset) -> None:
        assert small.split("random") == random_split(small.ids, seed=0)

    def test_a_subset_left_empty_is_an_error(self, dataset: StoreDataset) -> None:
        dataset.keep_only([0])
        with pytest.raises(SplitError, match="use the split 'random'"):
            dataset.split()

    def test_order_is_the_callers(self, dataset: StoreDataset) -> None:
        dataset.keep_only([7, 3])
        assert dataset.ids == ["x-07", "x-03"]
        assert dataset[1].id == "x-03"

    def test_is_relative_to_the_store_even_the_second_time(self, small: StoreDataset) -> None:
        small.keep_only([39])
        assert small.ids == ["x-39"]

    def test_nothing_left_is_an_error(self, dataset: StoreDataset) -> None:
        with pytest.raises(DataError, match="relax them"):
            dataset.keep_only([])

    def test_survives_pickling(self, small: StoreDataset) -> None:
        copy = pickle.loads(pickle.dumps(small))
        assert copy.ids == small.ids
        assert copy[19].id == "x-37"
