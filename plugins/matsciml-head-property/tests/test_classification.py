"""What is special about the classifiers: priors, weights, masks, baselines."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from matsciml_core import Crystal, CrystalBatch, Embedding, TargetInfo
from matsciml_core.errors import ConfigError, DataError
from matsciml_head_property.classification import BinaryHead, MulticlassHead
from matsciml_head_property.config import BinaryConfig, MulticlassConfig
from matsciml_util_property.class_counts import inverse_sqrt_weights

STABLE = TargetInfo(name="stable", kind="binary", unit="class")
KIND = TargetInfo(name="kind", kind="multiclass", unit="class", num_classes=4)
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230)
WIDTH = 6


def cubic(name, edge=2.9, *, centred=False, **labels):
    corner = [[0.0, 0.0, 0.0]]
    positions = [*corner, [edge / 2] * 3] if centred else corner
    return Crystal(
        id=name,
        atomic_numbers=[26] * len(positions),
        positions=positions,
        cell=edge * np.eye(3),
        labels=labels,
    )


def batch_of(info, values):
    crystals = [
        cubic(str(k), **({} if value is None else {info.name: value}))
        for k, value in enumerate(values)
    ]
    return CrystalBatch.from_crystals(crystals, [info])


def embedding_for(batch):
    count = batch.num_crystals
    return Embedding(atoms=torch.randn(batch.num_atoms, WIDTH), crystals=torch.randn(count, WIDTH))


def binary(**settings):
    return BinaryHead([STABLE], WIDTH, WIDTH, BinaryConfig(**settings))


def multiclass(info=KIND, **settings):
    return MulticlassHead([info], WIDTH, WIDTH, MulticlassConfig(**settings))


def test_an_untrained_head_answers_with_the_share_of_each_class():
    batch = batch_of(STABLE, [1, 0, 0, None, 0])
    head = binary()
    head.fit([batch])
    answer = head.inverse_transform(head(embedding_for(batch), batch), batch)["stable"]
    torch.testing.assert_close(answer, torch.full((5,), 0.25, dtype=torch.float64))


def test_an_untrained_head_knows_that_unseen_classes_are_possible():
    batch = batch_of(KIND, [0, 0, 1, 2])
    head = multiclass()
    head.fit([batch])
    answer = head.inverse_transform(head(embedding_for(batch), batch), batch)["kind"]
    expected = torch.tensor([2.5, 1.5, 1.5, 0.5], dtype=torch.float64) / 6
    torch.testing.assert_close(answer, expected.expand(4, -1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("absurd", [0, 1, -1, -7])
def test_masked_labels_do_not_matter_however_absurd(absurd):
    head = binary()
    head.fit([batch_of(STABLE, [1, 0, 0])])
    prediction = {"stable": torch.tensor([0.3, -2.0, 1.0], requires_grad=True)}
    target = {"stable": torch.tensor([1, absurd, 0])}
    mask = {"stable": torch.tensor([True, False, True])}
    loss = head.loss(prediction, target, mask)
    expected = functional.binary_cross_entropy_with_logits(
        prediction["stable"][[0, 2]], torch.tensor([1.0, 0.0])
    )
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, prediction["stable"])
    assert gradient[1] == 0


@pytest.mark.parametrize("absurd", [0, 3, -1, -9])
def test_masked_classes_do_not_matter_however_absurd(absurd):
    head = multiclass(class_weights="inverse-sqrt")
    head.fit([batch_of(KIND, [0, 0, 0, 1])])
    logits = torch.randn(3, 4, requires_grad=True)
    mask = {"kind": torch.tensor([True, False, True])}
    loss = head.loss({"kind": logits}, {"kind": torch.tensor([1, absurd, 0])}, mask)
    alone = head.loss(
        {"kind": logits[[0, 2]]}, {"kind": torch.tensor([1, 0])}, {"kind": torch.ones(2).bool()}
    )
    torch.testing.assert_close(loss, alone)


def test_balanced_classes_weigh_the_same():
    head = binary(balance=True)
    head.fit([batch_of(STABLE, [1, 0, 0, 0])])
    logits = torch.zeros(4, requires_grad=True)
    mask = {"stable": torch.ones(4, dtype=torch.bool)}
    loss = head.loss({"stable": logits}, {"stable": torch.tensor([1, 0, 0, 0])}, mask)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.sum().item() == pytest.approx(0.0, abs=1e-7)
    assert gradient[0].item() == pytest.approx(-3 * gradient[1].item())


def test_inverse_square_root_weights_are_capped_and_have_mean_one():
    counts = torch.tensor([100.0, 25.0, 1.0, 0.0], dtype=torch.float64)
    weights = inverse_sqrt_weights(counts, cap=5.0)
    torch.testing.assert_close(weights / weights[0], torch.tensor([1.0, 2.0, 5.0, 5.0]).double())
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1.0)


def test_logit_adjustment_makes_the_prior_the_start_of_the_loss_but_not_of_the_answer():
    batch = batch_of(KIND, [0, 0, 0, 1, 2, 3])
    head = multiclass(logit_adjustment=1.0, hidden=())
    head.fit([batch])
    prediction = head(embedding_for(batch), batch)
    answer = head.inverse_transform(prediction, batch)["kind"]
    torch.testing.assert_close(answer, torch.full((6, 4), 0.25, dtype=torch.float64))
    shares = torch.tensor([3.5, 1.5, 1.5, 1.5]) / 8
    expected = -(shares.log()[batch.targets["kind"]]).mean()
    torch.testing.assert_close(
        head.loss(prediction, head.transform(batch), head.mask(batch)), expected
    )


def test_label_smoothing_of_a_uniform_answer_costs_the_logarithm_of_the_classes():
    head = multiclass(label_smoothing=0.3)
    loss = head.loss(
        {"kind": torch.zeros(2, 4)},
        {"kind": torch.tensor([0, 3])},
        {"kind": torch.ones(2).bool()},
    )
    assert loss.item() == pytest.approx(math.log(4))


class TestBaselines:
    def test_majority_has_the_shares_as_scores(self):
        batch = batch_of(STABLE, [1, 0, 0, 0])
        head = binary()
        head.fit([batch])
        assert head.baseline_predictions(batch)["majority"]["stable"].tolist() == [0.25] * 4

    def test_the_symmetry_finder_knows_space_groups(self):
        crystals = [
            cubic("simple", group=220),
            cubic("bcc", centred=True, group=228),
        ]
        batch = CrystalBatch.from_crystals(crystals, [GROUP])
        head = multiclass(GROUP)
        head.fit([batch])
        found = head.baseline_predictions(batch)["symmetry_finder"]["group"]
        assert found.argmax(1).tolist() == [221 - 1, 229 - 1]
        assert found.max(1).values.tolist() == [1.0, 1.0]

    def test_other_classes_have_no_oracle(self):
        batch = batch_of(KIND, [0, 1])
        head = multiclass()
        head.fit([batch])
        assert head.baseline_predictions(batch).keys() == {"majority"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, None], "No crystal of the training split has the label 'kind'"),
        ([2, 2, None], "'kind' is class 2 for every training crystal"),
        ([0, 4], r"has the class 4, but its classes run from 0 to 3"),
    ],
)
def test_labels_that_teach_nothing_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        multiclass().fit([batch_of(KIND, values)])


def test_several_targets_are_refused():
    with pytest.raises(ConfigError, match="not stable, kind"):
        BinaryHead([STABLE, KIND], WIDTH, WIDTH)
