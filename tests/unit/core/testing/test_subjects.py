"""What checks share: comparisons that NaN cannot slip through, samples, and batches."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from matsciml_core import CrystalBatch, Embedding, TargetInfo
from matsciml_core.testing import Broken, NotApplicable, crystals, examples
from matsciml_core.testing.dataset.subject import (
    LABEL_SAMPLE,
    SAMPLE,
    DatasetSubject,
    first_difference,
    same_values,
)
from matsciml_core.testing.encoder.subject import (
    DEFAULT_REACH,
    EncoderSubject,
    change,
    difference,
    is_finite,
    probe,
)
from matsciml_core.testing.examples import ExampleDataset, ExampleEncoder
from matsciml_core.testing.strategy.subject import StrategySubject, cosine, largest_difference

ONE = torch.ones(3, 2)


class TestComparingEmbeddings:
    def test_relative_to_the_largest_value(self):
        assert difference(torch.tensor([4.0, 1.0]), torch.tensor([4.0, 2.0])) == 0.25
        assert difference(ONE, ONE) == 0.0

    def test_nan_is_never_small(self):
        broken = ONE * float("nan")
        assert math.isnan(difference(broken, ONE))
        for pair in (
            Embedding(atoms=broken, crystals=ONE),
            Embedding(atoms=ONE, crystals=broken),
        ):
            assert math.isnan(change(pair, Embedding(atoms=ONE, crystals=ONE)))
            assert not is_finite(pair)

    def test_other_shapes_do_not_broadcast(self):
        with pytest.raises(Broken, match=r"The shape \(3, 1\) should be \(3, 2\)"):
            difference(ONE[:, :1], ONE)

    def test_nothing_equals_nothing(self):
        assert difference(ONE[:0], ONE[:0]) == 0.0

    def test_the_probe_sees_every_feature_of_both_parts(self):
        atoms, rows = ONE.clone().requires_grad_(), ONE.clone().requires_grad_()
        torch.autograd.backward(probe(Embedding(atoms=atoms, crystals=rows)))
        assert atoms.grad.all()
        assert rows.grad.all()
        assert not torch.equal(atoms.grad, rows.grad)


class TestEncoderSubject:
    subject = EncoderSubject.from_spec(examples.ENCODER)

    def test_equal_seeds_build_equal_encoders(self):
        states = [self.subject.build(seed=seed).state_dict() for seed in (1, 1, 2)]
        same = [torch.equal(states[0][name], states[1][name]) for name in states[0]]
        other = [torch.equal(states[0][name], states[2][name]) for name in states[0]]
        assert all(same)
        assert not all(other)

    def test_building_leaves_the_random_numbers_alone(self):
        before = torch.get_rng_state()
        self.subject.build()
        assert torch.equal(torch.get_rng_state(), before)

    def test_batches_carry_what_the_encoder_asks_for(self):
        batch = self.subject.batch(crystals.all_crystals())
        lengths = batch.edge_vectors().norm(dim=-1)
        assert batch.positions.dtype == torch.float64
        assert batch.num_edges > 0
        assert lengths.max() < self.subject.reach == 5.0
        assert self.subject.batch([crystals.bcc_iron()], torch.float32).cell.dtype == torch.float32

    def test_without_a_cutoff_there_is_a_default_reach(self):
        class NoNeighbours(ExampleEncoder):
            def __init__(self, config=None):
                super().__init__(config)
                self.neighbours = None

        subject = EncoderSubject.from_spec(examples.ENCODER, component=NoNeighbours)
        assert subject.reach == DEFAULT_REACH
        assert subject.batch([crystals.bcc_iron()]).edge_index is None

    def test_a_quick_check_takes_fewer_crystals(self):
        assert len(replace(self.subject, quick=True).crystals) < len(self.subject.crystals)


class TestDatasetSubject:
    def test_samples_are_spread_over_the_whole(self):
        class Large(ExampleDataset):
            def __len__(self):
                return 100_000

        subject = DatasetSubject.from_spec(examples.DATASET, component=Large)
        indices = subject.sample_indices
        assert (indices[0], indices[-1], len(indices)) == (0, 99_999, SAMPLE)
        assert indices == sorted(set(indices))
        assert len(replace(subject, quick=True).sample_indices) < SAMPLE < LABEL_SAMPLE

    def test_small_datasets_are_read_completely(self):
        subject = DatasetSubject.from_spec(examples.DATASET)
        assert subject.sample_indices == list(range(40))

    def test_missing_labels_are_left_out(self):
        subject = DatasetSubject.from_spec(examples.DATASET)
        energy, large = examples.DATASET.targets
        assert len(subject.present(energy)) == 40
        assert len(subject.present(large)) == 30
        assert set(subject.present(large).tolist()) == {0, 1}


class TestComparingBatches:
    info = TargetInfo(name="energy", kind="scalar", unit="eV")

    def batch(self, *samples):
        return CrystalBatch.from_crystals(samples or [crystals.triclinic()], [self.info])

    def test_equal_batches_have_no_difference(self):
        assert first_difference(self.batch(), self.batch()) is None

    @pytest.mark.parametrize(
        ("change_", "field"),
        [
            ({"positions": torch.zeros(5, 3, dtype=torch.float64)}, "positions"),
            ({"ids": ["other"]}, "ids"),
            ({"targets": {}}, "targets"),
            ({"targets": {"energy": torch.zeros(1, dtype=torch.float64)}}, "targets['energy']"),
            ({"pbc": torch.zeros(1, 3, dtype=torch.bool)}, "pbc"),
        ],
    )
    def test_the_first_difference_is_named(self, change_, field):
        assert first_difference(replace(self.batch(), **change_), self.batch()) == field

    def test_types_and_shapes_count(self):
        assert not same_values(ONE, ONE.double())
        assert not same_values(ONE, ONE[:1])
        assert same_values(ONE * float("nan"), ONE * float("nan"))


class TestComparingGradients:
    def test_relative_to_the_largest_gradient(self):
        expected = {"a": torch.tensor([4.0]), "b": torch.tensor([1.0])}
        found = {"a": torch.tensor([4.0]), "b": torch.tensor([3.0])}
        assert largest_difference(found, expected) == 0.5
        assert math.isnan(largest_difference(found | {"a": torch.tensor([math.nan])}, expected))

    def test_cosines(self):
        right, up = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 3.0])
        assert cosine(right, right) == 1.0
        assert cosine(right, -right) == -1.0
        assert cosine(right, up) == 0.0
        assert cosine(right, 0 * up) == 0.0

    def test_numbers_of_tasks_follow_the_spec(self):
        spec = replace(examples.STRATEGY, max_tasks=2, max_datasets=1)
        subject = StrategySubject.from_spec(spec)
        assert subject.possible((1, 2, 3)) == [1, 2]
        assert {task.dataset for task in subject.tasks(2)} == {"data0"}
        with pytest.raises(NotApplicable, match="max_tasks=2"):
            subject.tasks(3)
