"""The label ``structure``, which every dataset offers."""

import numpy as np
import torch

from matsciml_core import TargetInfo
from matsciml_core.data.loader import BatchSource
from matsciml_core.interfaces.structure import STRUCTURE, read_crystals, targets_of
from matsciml_core.testing.examples import ExampleDataset


def test_it_comes_after_the_labels_that_a_dataset_declares():
    dataset = ExampleDataset()
    found = targets_of(dataset)
    assert [*found] == [*dataset.targets, "structure"]
    assert found["structure"] == STRUCTURE
    assert STRUCTURE.kind == "structure"


def test_a_label_of_that_name_is_left_alone():
    own = TargetInfo(name="structure", kind="scalar", unit="eV")

    class Named(ExampleDataset):
        @property
        def targets(self):
            return {**super().targets, "structure": own}

    assert targets_of(Named())["structure"] == own
    batch = read_crystals(Named(), [0, 1], ["structure"])
    assert batch.target_info["structure"] == own


def test_every_crystal_has_it_where_it_is_wanted():
    dataset = ExampleDataset()
    batch = read_crystals(dataset, [0, 1, 2], ["structure"])
    assert torch.equal(batch.targets["structure"], torch.ones(3, dtype=torch.float64))
    assert batch.target_info["structure"] == STRUCTURE
    assert "structure" not in read_crystals(dataset, [0], []).targets


def test_a_batch_source_serves_it_beside_other_labels():
    dataset = ExampleDataset()
    name = next(iter(dataset.targets))
    source = BatchSource(
        dataset, np.arange(len(dataset)), neighbourhood=None, labels=[name, "structure"]
    )
    for batch in (source[[0, 3]], source.plain([0, 3])):
        assert batch.targets["structure"].tolist() == [1.0, 1.0]
    assert source[[0]].targets["structure"].dtype == torch.float32
