"""The shipped split: stratified by crystal system, complete, reproducible, hashed."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from matsciml_core import Split
from matsciml_core.data import stratified_split
from matsciml_data_mp.dataset import MaterialsProject

LAST_NUMBER = {
    "triclinic": 2,
    "monoclinic": 15,
    "orthorhombic": 74,
    "tetragonal": 142,
    "trigonal": 167,
    "hexagonal": 194,
    "cubic": 230,
}
"""Last space group of each crystal system."""


@pytest.fixture(scope="module")
def dataset() -> MaterialsProject:
    """All crystals."""
    return MaterialsProject()


@pytest.fixture(scope="module")
def split(dataset: MaterialsProject) -> Split:
    """The default split."""
    return dataset.split()


@pytest.fixture(scope="module")
def systems(dataset: MaterialsProject) -> dict[str, str]:
    """Crystal system by id."""
    batch = dataset.__getitems__(range(len(dataset)))
    numbers = batch.targets["space_group"].numpy() + 1
    names = np.array(list(LAST_NUMBER))[np.searchsorted(list(LAST_NUMBER.values()), numbers)]
    return dict(zip(batch.ids, names.tolist(), strict=True))


def test_it_is_the_default(dataset: MaterialsProject, split: Split) -> None:
    assert dataset.split_names == ("stratified", "random")
    assert dataset.split("stratified") == split
    assert split.algorithm == "stratified by crystal system"
    assert split.seed == 0


def test_sizes(split: Split) -> None:
    sizes = {subset: len(ids) for subset, ids in split.subsets.items()}
    assert sizes == {"train": 5053, "validation": 631, "test": 633}


def test_every_crystal_is_in_exactly_one_subset(dataset: MaterialsProject, split: Split) -> None:
    for one, other in combinations(split.subsets.values(), 2):
        assert not set(one) & set(other)
    assert set().union(*split.subsets.values()) == set(dataset.ids)
    indices = split.indices(dataset.ids)
    assert sorted(np.concatenate(list(indices.values()))) == list(range(len(dataset)))


def test_each_system_is_divided_80_10_10(split: Split, systems: dict[str, str]) -> None:
    """To within one crystal, which is what rounding allows."""
    total = Counter(systems.values())
    assert total == {
        "triclinic": 198,
        "monoclinic": 767,
        "orthorhombic": 1304,
        "tetragonal": 1156,
        "trigonal": 819,
        "hexagonal": 805,
        "cubic": 1268,
    }
    for subset, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        found = Counter(systems[name] for name in split.subsets[subset])
        for system, count in total.items():
            assert abs(found[system] - share * count) <= 1, (subset, system)


def test_it_can_be_made_again(
    dataset: MaterialsProject, split: Split, systems: dict[str, str]
) -> None:
    """From the ids, the systems and the seed, in whatever order."""
    ids = sorted(dataset.ids, reverse=True)
    again = stratified_split(ids, [systems[name] for name in ids], by="crystal system", seed=0)
    assert again == split


def test_it_is_the_split_that_published_results_used(split: Split) -> None:
    """A change of this number makes all earlier results incomparable."""
    assert split.hash == "b2984828836728c079e0f6c51be724745df2857fb0995913e8c362ba65ef792a"


def test_every_label_is_in_every_subset(dataset: MaterialsProject, split: Split) -> None:
    for subset, indices in split.indices(dataset.ids).items():
        batch = dataset.__getitems__(indices)
        for name, values in batch.targets.items():
            known = ~values.isnan() if values.is_floating_point() else values >= 0
            assert int(known.sum()) >= 90, (subset, name)


def test_subsets_have_the_same_distribution_of_the_default_target(
    dataset: MaterialsProject, split: Split
) -> None:
    means = {
        subset: float(dataset.__getitems__(indices).targets["formation_energy_per_atom"].nanmean())
        for subset, indices in split.indices(dataset.ids).items()
    }
    assert max(means.values()) - min(means.values()) < 0.15
