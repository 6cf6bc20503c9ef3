"""Means over the batches of an epoch."""

from __future__ import annotations

import pytest
import torch

from matsciml_core.training.epoch_means import EpochMeans


def test_larger_batches_count_more():
    means = EpochMeans()
    means.add("train/loss", torch.tensor(1.0), 3)
    means.add("train/loss", torch.tensor(5.0, requires_grad=True), 1)
    means.add("train/toy/gap/loss", torch.tensor(7.0), 1)
    taken = means.take()
    assert {name: float(value) for name, value in taken.items()} == {
        "train/loss": 2.0,
        "train/toy/gap/loss": 7.0,
    }
    assert not taken["train/loss"].requires_grad
    assert means.take() == {}


def test_many_small_losses_are_not_lost_beside_their_sum():
    means = EpochMeans()
    means.add("loss", torch.tensor(1e8), 1)
    for _ in range(1000):
        means.add("loss", torch.tensor(1.0), 1)
    assert float(means.take()["loss"]) == pytest.approx((1e8 + 1000) / 1001, rel=1e-7)


def test_a_checkpoint_holds_the_sums_so_far():
    whole, before, after = EpochMeans(), EpochMeans(), EpochMeans()
    for value in (1.0, 2.0):
        whole.add("loss", torch.tensor(value), 2)
        before.add("loss", torch.tensor(value), 2)
    after.load_state_dict(before.state_dict())
    for means in (whole, after):
        means.add("loss", torch.tensor(9.0), 1)
    assert torch.equal(whole.take()["loss"], after.take()["loss"])
