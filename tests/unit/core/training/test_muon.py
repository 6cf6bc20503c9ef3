"""Steps in the direction of a gradient whose singular values are made alike."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.muon import MOMENTUM, Muon, matrices_of, orthogonalised
from matsciml_core.training.optimiser import build_optimiser


@pytest.fixture
def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(24, 40), nn.SiLU(), nn.Linear(40, 32), nn.Linear(32, 1))


def optimiser(layers: nn.Module, rate: float = 0.01, decay: float = 0.1) -> torch.optim.AdamW:
    settings = TrainingConfig(optimiser="muon", learning_rate=rate, weight_decay=decay)
    return build_optimiser([layers], nn.Identity(), settings)


def backward(layers: nn.Module, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    layers.zero_grad()
    layers(torch.randn(50, 24, generator=generator)).square().mean().backward()


@pytest.mark.parametrize("shape", [(16, 16), (64, 20), (20, 64)])
def test_singular_vectors_stay_and_values_become_one(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)).double()
    found = orthogonalised(1e-3 * matrices)
    assert torch.allclose(orthogonalised(matrices), found)  # whatever the size of the gradient
    for before, after in zip(matrices, found, strict=True):
        u, values, vh = torch.linalg.svd(before, full_matrices=False)
        inside = u.T @ after @ vh.T
        assert torch.allclose(inside, torch.diag(inside.diag()), atol=1e-9)
        # The polynomial brings all but the smallest within 30 % of one.
        large = values > 0.02 * values.norm()
        assert (inside.diag()[large] - 1.0).abs().max() < 0.35


def test_a_gradient_of_zero_makes_no_step():
    assert not orthogonalised(torch.zeros(1, 16, 16)).any()


def test_thin_matrices_and_vectors_are_stepped_by_adamw(layers):
    assert [tuple(one.shape) for one in matrices_of(layers.parameters())] == [(40, 24), (32, 40)]
    plain = copy.deepcopy(layers)
    settings = TrainingConfig(optimiser="adamw", learning_rate=0.01, weight_decay=0.1)
    reference = build_optimiser([plain], nn.Identity(), settings)
    ours = optimiser(layers)
    for one, built in ((layers, ours), (plain, reference)):
        backward(one)
        built.step()
    moved = dict(layers.named_parameters())
    for name, weight in plain.named_parameters():
        by_muon = weight.dim() == 2 and min(weight.shape) >= 16
        assert torch.equal(weight, moved[name]) != by_muon, name


def test_the_first_step_is_the_formula(layers):
    ours = optimiser(layers)
    backward(layers)
    weight = layers[0].weight
    before, gradient = weight.detach().clone(), weight.grad.clone()
    ours.step()
    momentum = (1 - MOMENTUM) * gradient
    direction = orthogonalised(((1 - MOMENTUM) * gradient + MOMENTUM * momentum)[None])[0]
    expected = before * (1 - 0.01 * 0.1) - 0.01 * 0.2 * 40**0.5 * direction
    torch.testing.assert_close(weight.detach(), expected)
    assert weight.grad is not None  # still there for whoever looks after the step


def test_a_step_that_is_not_finite_changes_nothing(layers):
    ours = optimiser(layers)
    backward(layers)
    ours.found_inf = torch.tensor(0.0)
    ours.step()
    kept = {name: one.detach().clone() for name, one in layers.named_parameters()}
    momentum = [ours.state[one]["momentum"].clone() for one in matrices_of(layers.parameters())]
    backward(layers, seed=2)
    layers[0].weight.grad[0, 0] = torch.nan
    ours.found_inf = torch.tensor(1.0)
    ours.step()
    assert all(torch.equal(one, kept[name]) for name, one in layers.named_parameters())
    after = [ours.state[one]["momentum"] for one in matrices_of(layers.parameters())]
    assert all(map(torch.equal, momentum, after))


def test_a_saved_state_goes_on_bit_for_bit(layers):
    ours = optimiser(layers)
    backward(layers)
    ours.step()
    other = copy.deepcopy(layers)
    resumed = optimiser(other)
    resumed.load_state_dict(copy.deepcopy(ours.state_dict()))
    assert isinstance(resumed, Muon)
    for one, built in ((layers, ours), (other, resumed)):
        backward(one, seed=3)
        built.step()
    assert all(map(torch.equal, layers.parameters(), other.parameters()))
