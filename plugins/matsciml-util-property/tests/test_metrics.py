"""Metrics of classes against their definitions, and over several processes."""

import pytest
import torch
from torchmetrics.classification import BinaryAUROC

from matsciml_util_property.classes import MulticlassBase
from matsciml_util_property.metrics import (
    Auroc,
    AveragePrecision,
    BalancedAccuracy,
    CrystalSystemAccuracy,
    MacroAuroc,
    MacroF1,
)


class SomeHead(MulticlassBase):
    def forward(self, embedding, batch):
        raise NotImplementedError

    def loss(self, prediction, target, mask):
        raise NotImplementedError


def sure(classes, number):
    return torch.nn.functional.one_hot(torch.tensor(classes), number).double()


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_have_labels():
    metric = BalancedAccuracy(4)
    metric.update(sure([0, 0, 1, 3], 4), torch.tensor([0, 0, 0, 1]))
    # Recall of class 0 is 2/3, of class 1 zero; class 3 was predicted and has no label.
    assert metric.compute().item() == pytest.approx(1 / 3)


def test_macro_f1_counts_classes_that_were_only_predicted():
    metric = MacroF1(4)
    metric.update(sure([0, 0, 1, 3], 4), torch.tensor([0, 0, 0, 1]))
    # Class 0: 2·2/(3 + 2); class 1: 0 of (1 + 1); class 3: 0 of (0 + 1); class 2 never occurs.
    assert metric.compute().item() == pytest.approx((0.8 + 0 + 0) / 3)


def test_a_constant_answer_has_the_balanced_accuracy_of_chance():
    metric = BalancedAccuracy(2)
    metric.update(torch.full((10,), 0.2), torch.tensor([0] * 8 + [1] * 2))
    assert metric.compute().item() == 0.5


@pytest.mark.parametrize("metric", [BalancedAccuracy(3), MacroF1(3)])
def test_batches_and_double_precision_give_the_same(metric):
    torch.manual_seed(0)
    scores, labels = torch.rand(40, 3), torch.randint(3, (40,))
    metric.update(scores, labels)
    whole = metric.compute()
    metric.reset()
    metric.set_dtype(torch.float64)
    for part in range(4):
        metric.update(scores[part::4].double(), labels[part::4])
    assert metric.compute().item() == pytest.approx(whole.item())


def test_processes_add_up_what_they_counted():
    torch.manual_seed(1)
    scores, labels = torch.rand(30, 3), torch.randint(3, (30,))
    whole, first, second = (BalancedAccuracy(3) for _ in range(3))
    whole.update(scores, labels)
    first.update(scores[:11], labels[:11])
    second.update(scores[11:], labels[11:])
    # What torchmetrics does between ranks: states reduced as they were declared, here summed.
    joined = first._reductions["confusion"](torch.stack([first.confusion, second.confusion]))
    first.confusion = joined
    assert first.compute().item() == pytest.approx(whole.compute().item())


def test_crystal_systems_follow_the_international_numbers():
    metric = CrystalSystemAccuracy()
    numbers = torch.tensor([1, 2, 3, 15, 16, 74, 75, 142, 143, 167, 168, 194, 195, 230])
    assert metric.systems[numbers - 1].tolist() == [k // 2 for k in range(14)]


def test_the_likeliest_system_need_not_hold_the_likeliest_group():
    metric = CrystalSystemAccuracy()
    scores = torch.zeros(1, 230)
    scores[0, [0, 194, 195, 196]] = torch.tensor([0.4, 0.2, 0.2, 0.2])
    metric.update(scores, torch.tensor([229]))
    assert metric.compute().item() == 1.0


class TestRanking:
    def test_scores_are_ranked_not_thresholded(self):
        scores, labels = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 0, 1, 1])
        for metric in (Auroc(), AveragePrecision()):
            metric.update(scores, labels)
            assert metric.compute().item() == 1.0

    def test_one_class_gives_nan_and_no_warning(self):
        for metric in (Auroc(), AveragePrecision()):
            metric.update(torch.tensor([0.1, 0.9]), torch.tensor([0, 0]))
            assert metric.compute().isnan()

    def test_a_constant_score_is_worth_nothing(self):
        metric = Auroc()
        metric.update(torch.full((6,), 0.3), torch.tensor([0, 0, 0, 0, 1, 1]))
        assert metric.compute().item() == 0.5
        precision = AveragePrecision()
        precision.update(torch.full((6,), 0.3), torch.tensor([0, 0, 0, 0, 1, 1]))
        assert precision.compute().item() == pytest.approx(1 / 3)

    def test_macro_auroc_is_the_mean_over_classes_among_the_labels(self):
        torch.manual_seed(2)
        scores = torch.rand(50, 5).softmax(1)
        labels = torch.randint(3, (50,))  # classes 3 and 4 never occur
        metric = MacroAuroc(5)
        metric.update(scores, labels)
        expected = []
        for number in range(3):
            alone = BinaryAUROC()
            alone.update(scores[:, number], (labels == number).long())
            expected.append(alone.compute())
        torch.testing.assert_close(metric.compute(), torch.stack(expected).mean())


def test_space_groups_have_five_guesses_and_systems():
    from matsciml_core import TargetInfo

    info = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230)
    metrics = SomeHead([info], 4, 4).metrics()["group"]
    assert {"top5_accuracy", "crystal_system_accuracy"} <= metrics.keys()
    scores = torch.zeros(2, 230)
    scores[:, 10:15] = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05])
    labels = torch.tensor([14, 100])
    top = metrics["top5_accuracy"].set_dtype(torch.float64)
    top.update(scores, labels)
    assert top.compute().item() == 0.5
