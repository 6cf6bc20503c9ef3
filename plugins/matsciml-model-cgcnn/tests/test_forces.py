"""Energies that are differentiated by positions, once and twice."""

from dataclasses import replace

import pytest
import torch

from matsciml_core import CrystalBatch
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_model_cgcnn.config import CGCNNConfig
from matsciml_model_cgcnn.encoder import CGCNN


@pytest.mark.parametrize("options", [{}, {"max_neighbours": 9}, {"preset": "published"}], ids=str)
def test_gradient_by_positions(crystals, options):
    encoder = CGCNN(CGCNNConfig.from_options(options, where="encoder")).double()
    batch = crystals
    batch.positions.add_(0.05 * torch.randn_like(batch.positions))
    batch = attach_neighbours(batch, encoder.neighbours)
    batch.positions.requires_grad_()
    readout = torch.randn(encoder.crystal_width, dtype=torch.float64)

    def energy() -> torch.Tensor:
        return (encoder(batch).crystals @ readout).sum()

    (gradient,) = torch.autograd.grad(energy(), batch.positions)
    step, direction = 1e-5, torch.randn_like(batch.positions)
    with torch.no_grad():
        batch.positions.add_(step * direction)
        above = energy()
        batch.positions.sub_(2 * step * direction)
        below = energy()
    expected = ((above - below) / (2 * step)).item()
    assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-6)


def test_gradient_of_a_loss_on_forces_by_a_weight(crystals):
    encoder = CGCNN(CGCNNConfig(width=8, message_width=6)).double()
    batch = attach_neighbours(crystals, encoder.neighbours)
    batch.positions.add_(0.05 * torch.randn_like(batch.positions)).requires_grad_()

    def loss() -> torch.Tensor:
        energy = encoder(batch).atoms.sum()
        (force,) = torch.autograd.grad(energy, batch.positions, create_graph=True)
        return force.square().sum()

    weight = encoder.convolutions[0].edge.weight
    loss().backward()
    row, column = divmod(int(weight.grad.abs().argmax()), weight.shape[1])
    values = []
    for change in (1e-5, -2e-5):
        with torch.no_grad():
            weight[row, column] += change
        values.append(loss().item())
    expected = (values[0] - values[1]) / 2e-5
    assert weight.grad[row, column].item() == pytest.approx(expected, rel=1e-5)


def test_forces_go_to_zero_at_the_cutoff(crystals):
    """The embedding has two continuous derivatives there, as the envelope does."""
    encoder = CGCNN(CGCNNConfig(cutoff=4.0)).double()

    def slope(length: float) -> torch.Tensor:
        """Return the derivative of the embedding by the size of a cube of one atom."""
        size = torch.tensor(length, dtype=torch.float64, requires_grad=True)
        single = crystals.crystals()[-1]
        cube = CrystalBatch.from_crystals([single])
        cube = replace(cube, cell=length * torch.eye(3, dtype=torch.float64).unsqueeze(0))
        cube = attach_neighbours(cube, encoder.neighbours)
        cube = replace(cube, cell=size * torch.eye(3, dtype=torch.float64).unsqueeze(0))
        value = encoder(cube).crystals.sum()
        return torch.autograd.grad(value, size, allow_unused=True, materialize_grads=True)[0]

    near, inside, beyond = slope(3.999), slope(3.5), slope(4.001)
    assert beyond == 0.0
    assert inside.abs() > 1e-6
    assert near.abs() < 1e-3 * inside.abs()
