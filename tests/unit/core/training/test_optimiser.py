"""The learning-rate schedules, and which weights decay."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.optimiser import (
    build_optimiser,
    decaying_parameters,
    learning_rate_factor,
)
from matsciml_core.training.plan import Plan


def factors(steps=100, per_epoch=10, plan=None, **settings):
    """Return the share of the peak rate at each step, and two steps beyond the last."""
    training = TrainingConfig(epochs=steps // per_epoch, **settings)
    factor = learning_rate_factor(training, plan or Plan.of(training, per_epoch))
    return [factor(step) for step in range(steps + 2)]


class TestSchedule:
    def test_one_cycle_rises_to_the_peak_and_falls_to_nearly_zero(self):
        values = factors(schedule="one-cycle")
        assert values[0] == pytest.approx(0.01)
        # Half way up, and half way down, are half a period of a cosine each.
        assert values[15] == pytest.approx(0.01 + 0.99 * 0.5)
        assert values[30] == pytest.approx(1.0)
        assert values[65] == pytest.approx(0.5)
        assert values[100] == values[101] == pytest.approx(1e-4)
        assert values[:31] == sorted(values[:31])
        assert values[30:] == sorted(values[30:], reverse=True)

    def test_cosine_rises_for_as_many_epochs_as_it_is_told_and_falls(self):
        values = factors(schedule="cosine", warm_up=2)
        assert values[0] == pytest.approx(0.01)
        assert values[10] == pytest.approx(0.5)
        assert values[20] == pytest.approx(1.0)
        assert values[60] == pytest.approx(0.5)
        assert values[100] == values[101] == pytest.approx(1e-4)

    def test_without_a_warm_up_cosine_starts_at_the_peak(self):
        values = factors(warm_up=0)
        assert values[0] == 1.0
        assert values[50] == pytest.approx(0.5)

    def test_a_warm_up_takes_no_more_than_thirty_percent(self):
        assert factors(steps=20, warm_up=2)[6] == pytest.approx(1.0)

    def test_plateau_rises_and_falls_by_a_factor_whenever_the_loss_stays(self):
        plan = Plan.of(TrainingConfig(epochs=10, schedule="plateau"), 10)
        values = factors(schedule="plateau", plan=plan)
        assert values[0] == pytest.approx(0.01)
        assert set(values[20:]) == {1.0}
        plan.lowered = 2
        assert factors(schedule="plateau", plateau_factor=0.3, plan=plan)[50] == pytest.approx(0.09)
        plan.lowered = 50
        assert factors(schedule="plateau", plan=plan)[50] == pytest.approx(1e-4)

    def test_constant_is_constant(self):
        assert set(factors(schedule="constant")) == {1.0}

    def test_the_warm_up_does_not_depend_on_the_number_of_epochs(self):
        short, long = factors(steps=70), factors(steps=4000)
        assert short[:21] == long[:21]


class TestPlan:
    def test_a_length_that_is_chosen_during_the_warm_up_is_as_if_it_had_been_known(self):
        plan = Plan(warm_up=20)
        training = TrainingConfig(epochs=10)
        factor = learning_rate_factor(training, plan)
        rising = [factor(step) for step in range(20)]
        plan.revise(20, 100)
        assert rising + [factor(step) for step in range(20, 102)] == factors()

    def test_a_revision_makes_no_jump_and_ends_at_zero(self):
        plan = Plan(warm_up=20, revisions=[(0, 100), (50, 80), (70, 90)])
        values = factors(plan=plan)
        steps = [abs(b - a) for a, b in pairwise(values[20:91])]
        assert max(steps) < 0.05
        assert values[90] == values[101] == pytest.approx(1e-4)
        assert values[20:91] == sorted(values[20:91], reverse=True)

    def test_a_revision_changes_nothing_of_what_was(self):
        before = factors()
        after = factors(plan=Plan(warm_up=20, revisions=[(0, 100), (50, 80)]))
        assert after[:51] == before[:51]
        assert after[51] < before[51]

    def test_a_run_may_end_where_it_is(self):
        plan = Plan(warm_up=math.inf, revisions=[(0, 100)])
        plan.revise(40, 30)
        assert plan.steps == 40
        assert plan.progress(41)[1] == 1.0


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.linear = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.batch_norm = nn.BatchNorm1d(4)
        self.frequencies = nn.Parameter(torch.ones(3))
        self.bias_matrix = nn.Parameter(torch.ones(2, 2))
        self.products = nn.Parameter(torch.ones(2, 4, 4))


class Flat(nn.Module):
    weight_numel = 16

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16))


class TestWeightDecay:
    def test_only_matrices_of_linear_maps_decay(self):
        part = Part()
        decays = decaying_parameters(part)
        names = {name for name, one in part.named_parameters() if id(one) in decays}
        assert names == {"linear.weight", "products"}

    def test_matrices_that_are_stored_flat_decay(self):
        flat = Flat()
        assert decaying_parameters(flat) == {id(flat.weight)}

    def test_each_trained_parameter_is_in_one_group_and_frozen_ones_in_none(self):
        part, strategy = Part(), nn.ParameterList([nn.Parameter(torch.zeros(2))])
        part.linear.weight.requires_grad_(False)
        optimiser = build_optimiser([part], strategy, TrainingConfig(weight_decay=0.3))
        decaying, others = optimiser.param_groups
        assert (decaying["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
        members = [id(one) for group in optimiser.param_groups for one in group["params"]]
        trained = [*part.parameters(), *strategy.parameters()]
        assert sorted(members) == sorted(id(one) for one in trained if one.requires_grad)
        assert [id(one) for one in decaying["params"]] == [id(part.products)]

    def test_decay_shrinks_a_matrix_without_a_gradient_and_nothing_else(self):
        part = Part()
        before = {name: one.detach().clone() for name, one in part.named_parameters()}
        settings = TrainingConfig(weight_decay=0.1, learning_rate=0.5)
        optimiser = build_optimiser([part], nn.Module(), settings)
        for one in part.parameters():
            one.grad = torch.zeros_like(one)
        optimiser.step()
        for name, one in part.named_parameters():
            share = 0.95 if name in ("linear.weight", "products") else 1.0
            torch.testing.assert_close(one.detach(), share * before[name])

    def test_an_encoder_may_learn_at_a_share_of_the_rate(self):
        encoder, head = Part(), nn.Linear(2, 2)
        settings = TrainingConfig(learning_rate=0.5, encoder_rate=0.1, weight_decay=0.3)
        groups = build_optimiser([encoder, head], nn.Module(), settings, encoder).param_groups
        assert groups[0]["lr"] == 0.5
        rates = {id(one): group["lr"] for group in groups for one in group["params"]}
        assert {rates[id(one)] for one in encoder.parameters()} == {0.05}
        assert {rates[id(one)] for one in head.parameters()} == {0.5}
        decays = {id(one): group["weight_decay"] for group in groups for one in group["params"]}
        assert decays[id(encoder.products)] == 0.3
        assert decays[id(head.bias)] == 0.0

    def test_a_model_without_matrices_can_be_trained(self):
        norm = nn.LayerNorm(4)
        optimiser = build_optimiser([norm], nn.Module(), TrainingConfig())
        norm(torch.randn(3, 4)).square().sum().backward()
        optimiser.step()
        assert not torch.equal(norm.bias, torch.zeros(4))
