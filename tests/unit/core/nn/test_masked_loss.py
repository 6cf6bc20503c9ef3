"""Losses over labels that exist."""

from __future__ import annotations

import pytest
import torch

from matsciml_core.nn.masked_loss import LossName, masked_loss, masked_mean

NAN = torch.nan


@pytest.mark.parametrize(("name", "expected"), [("l1", 2.0), ("mse", 5.0), ("huber", 1.5)])
def test_mean_is_over_labels_that_exist(name: LossName, expected: float) -> None:
    prediction = torch.tensor([1.0, 5.0, 3.0])
    target = torch.tensor([0.0, NAN, 6.0])
    assert masked_loss(name, prediction, target, ~target.isnan()).item() == expected


def test_what_stands_at_missing_labels_leaves_no_trace() -> None:
    mask = torch.tensor([[True, True], [False, False]])
    gradients = []
    for value in (NAN, 1e30, 0.0):
        prediction = torch.tensor([[0.5, 1.0], [2.0, 3.0]], requires_grad=True)
        target = torch.tensor([[0.0, 0.0], [value, value]])
        masked_loss("mse", prediction, target, mask).backward()
        gradients.append(prediction.grad)
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
    assert torch.equal(gradients[0], torch.tensor([[0.5, 1.0], [0.0, 0.0]]))


def test_no_label_gives_zero_with_a_graph() -> None:
    prediction = torch.ones(3, requires_grad=True)
    nothing = torch.zeros(3, dtype=torch.bool)
    loss = masked_loss("l1", prediction, torch.full((3,), NAN), nothing)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(prediction.grad, torch.zeros(3))


def test_masked_mean_of_losses_with_several_components() -> None:
    losses = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    mask = torch.tensor([[True, True], [False, False]])
    assert masked_mean(losses, mask).item() == 2.0
