"""Which crystals have a label, counted where it counts."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data import CrystalStoreWriter, StoreDataset
from matsciml_core.data.store.labelled import label_sizes, labelled
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.targets import TargetInfo

TARGETS = [
    TargetInfo(name="gap", kind="scalar", unit="eV"),
    TargetInfo(name="metal", kind="binary", unit="class"),
    TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
    TargetInfo(name="never", kind="scalar", unit="eV"),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Ten crystals: a gap where even, a class in the first three, forces on an atom of the last."""
    folder = tmp_path_factory.mktemp("store")
    with CrystalStoreWriter(folder, TARGETS, Provenance(source="test")) as writer:
        for number in range(10):
            labels = {}
            if number % 2 == 0:
                labels["gap"] = 0.0
            if number < 3:
                labels["metal"] = 0
            if number == 9:
                labels["forces"] = np.array([[np.nan] * 3, [0.0, 0.0, 1.0]])
            writer.add(
                Crystal(
                    id=f"c{number}",
                    atomic_numbers=np.array([1, 2]),
                    positions=np.array([[0.0, 0, 0], [2, 2, 2]]),
                    cell=np.eye(3) * 4,
                    labels=labels,
                )
            )
    return StoreDataset(folder)


@pytest.mark.parametrize(
    ("labels", "places"),
    [
        (["gap"], [0, 2, 4, 6, 8]),
        (["metal"], [0, 1, 2]),
        (["forces"], [9]),
        (["metal", "forces"], [0, 1, 2, 9]),
        (["never"], []),
    ],
)
def test_what_has_a_label_is_found(dataset, labels, places):
    assert np.flatnonzero(labelled(dataset, labels)).tolist() == places


def test_sizes_are_those_of_the_default_split(dataset):
    sizes = label_sizes(dataset)
    assert {name: sum(counts) for name, counts in sizes.items()} == {
        "gap": 5,
        "metal": 3,
        "forces": 1,
    }
    test = dataset.split().subsets["test"]
    assert sizes["gap"][2] == sum(int(name[1:]) % 2 == 0 for name in test)
