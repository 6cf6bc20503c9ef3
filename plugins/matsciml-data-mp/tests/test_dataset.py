"""The class: restriction to small crystals, worker processes, and the conformance kit."""

from __future__ import annotations

import multiprocessing

import pytest
import torch

from matsciml_core import CrystalBatch
from matsciml_core.errors import DataError
from matsciml_core.testing import DatasetContract
from matsciml_data_mp import dataset as module
from matsciml_data_mp.config import MPConfig
from matsciml_data_mp.dataset import MaterialsProject


class TestContract(DatasetContract):
    """Every check of the kit."""

    spec_name = "mp"
    quick = True


@pytest.mark.slow
class TestContractWithFewAtoms(DatasetContract):
    """Every check, worker processes included, for a part of the crystals."""

    spec_name = "mp"
    options = {"max_atoms": 10}


@pytest.fixture(scope="module")
def whole() -> MaterialsProject:
    """All crystals."""
    return MaterialsProject()


@pytest.fixture(scope="module")
def small() -> MaterialsProject:
    """The crystals with at most four atoms."""
    return MaterialsProject(MPConfig(max_atoms=4))


class TestMaxAtoms:
    def test_exactly_the_small_crystals_are_served(
        self, whole: MaterialsProject, small: MaterialsProject
    ) -> None:
        pairs = zip(whole.ids, whole.atoms_per_crystal.tolist(), strict=True)
        assert small.ids == [name for name, atoms in pairs if atoms <= 4]
        assert len(small) == len(small.ids) == 1027
        assert set(small.atoms_per_crystal.tolist()) == {1, 2, 3, 4}

    def test_ids_batches_and_crystals_belong_together(
        self, whole: MaterialsProject, small: MaterialsProject
    ) -> None:
        indices = [len(small) - 1, 0, 700]
        batch = small.__getitems__(indices)
        assert batch.ids == [small.ids[k] for k in indices]
        expected = whole.__getitems__([whole.ids.index(name) for name in batch.ids])
        assert torch.equal(batch.positions, expected.positions)
        assert torch.equal(batch.targets["space_group"], expected.targets["space_group"])
        assert small[700].id == batch.ids[2]

    def test_no_crystal_changes_its_subset(
        self, whole: MaterialsProject, small: MaterialsProject
    ) -> None:
        everything, subset_of_it = whole.split(), small.split()
        for subset, indices in subset_of_it.indices(small.ids).items():
            names = {small.ids[k] for k in indices}
            assert names == set(everything.subsets[subset]) & set(small.ids)
            assert len(names) >= 98

    def test_random_split_is_made_of_what_is_left(self, small: MaterialsProject) -> None:
        sizes = [len(ids) for ids in small.split("random").indices(small.ids).values()]
        assert sizes == [822, 102, 103]

    def test_a_bound_that_nothing_exceeds_changes_nothing(self, whole: MaterialsProject) -> None:
        same = MaterialsProject(MPConfig(max_atoms=152))
        assert same.ids == whole.ids
        assert same.split().hash == whole.split().hash

    @pytest.mark.parametrize(
        ("max_atoms", "sizes"), [(1, [20, 3, 4]), (4, [824, 98, 105]), (20, [4532, 558, 565])]
    )
    def test_sizes_of_the_subsets(self, max_atoms: int, sizes: list[int]) -> None:
        dataset = MaterialsProject(MPConfig(max_atoms=max_atoms))
        assert [len(ids) for ids in dataset.split().indices(dataset.ids).values()] == sizes
        assert len(dataset) == sum(sizes)

    def test_indices_outside_the_subset_are_rejected(self, small: MaterialsProject) -> None:
        for index in (-1, len(small), 6316):
            with pytest.raises(IndexError):
                small[index]


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("fork", marks=pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")),
        pytest.param("spawn", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("max_atoms", [None, 6])
def test_worker_processes_read_identical_data(method: str, max_atoms: int | None) -> None:
    dataset = MaterialsProject(MPConfig(max_atoms=max_atoms))
    last = len(dataset) - 1
    jobs = [[0, last, 5], [last // 2], [7, 7, 1]]
    here = [_as_numbers(dataset.__getitems__(job)) for job in jobs]  # opens the store first
    with multiprocessing.get_context(method).Pool(2) as pool:
        there = [_as_numbers(batch) for batch in pool.map(dataset.__getitems__, jobs)]
    assert here == there


def test_provenance_says_whose_data_it_is() -> None:
    provenance = MaterialsProject().provenance
    assert "materialsproject.org" in provenance.source
    assert "matminer 0.3.2" in provenance.release
    assert provenance.licence == "CC-BY-4.0"
    assert len(provenance.references) == 7
    assert len(provenance.content_hash) == 64


def test_data_that_was_not_installed_is_one_clear_sentence(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INSTALLED", (tmp_path, tmp_path))
    with pytest.raises(DataError, match=r"holds no store: 'index\.json' is missing"):
        MaterialsProject()


def _as_numbers(batch: CrystalBatch) -> tuple:
    energy = batch.targets["formation_energy_per_atom"].nan_to_num(nan=99.0).tolist()
    return (
        list(batch.ids),
        batch.positions.tolist(),
        batch.targets["space_group"].tolist(),
        energy,
    )
