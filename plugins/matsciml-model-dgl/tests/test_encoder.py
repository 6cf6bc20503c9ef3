"""The encoder as a whole: its size, its equations, and how it treats what it is given."""

from dataclasses import replace

import pytest
import torch

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.errors import ConfigError, MissingPackageError
from matsciml_model_dgl.config import MPNNConfig
from matsciml_model_dgl.encoder import MPNN


def build(**options) -> MPNN:
    return MPNN(MPNNConfig.from_options(options, where="encoder")).double().eval()


def plain_embedding(encoder: MPNN, batch: CrystalBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Evaluate the equations as they are written, one atom and one crystal at a time."""
    width = encoder.config.width
    sender, receiver = batch.edge_index
    lengths = batch.edge_vectors().norm(dim=1, keepdim=True)
    cutoff, count = encoder.config.cutoff, encoder.config.gaussian_centres
    centres = torch.linspace(0.0, cutoff, count, dtype=lengths.dtype)
    spacing = cutoff / (count - 1)
    curves = torch.exp(-((lengths - centres) ** 2) / (2 * spacing**2))
    matrices = encoder.edge_matrix(curves).view(-1, width, width)
    hidden = encoder.element_embedding(batch.atomic_numbers)
    for _ in range(encoder.config.steps):
        sent = torch.einsum("ei,eio->eo", hidden[sender], matrices)
        received = [sent[receiver == atom].sum(0) for atom in range(batch.num_atoms)]
        messages = torch.stack(received)
        if encoder.config.aggregation == "mean":
            messages = messages / batch.edges_per_atom.clamp(min=1).unsqueeze(1)
        messages = torch.nn.functional.silu(messages + encoder.message.bias)
        hidden = encoder.update(messages, hidden)
    of_crystal = [hidden[batch.crystal_index == k] for k in range(batch.num_crystals)]
    return hidden, torch.stack([plain_set2set(encoder, rows) for rows in of_crystal])


def plain_set2set(encoder: MPNN, rows: torch.Tensor) -> torch.Tensor:
    result, state = rows.new_zeros(2 * rows.shape[1]), None
    for _ in range(encoder.config.set2set_iterations):
        query, state = encoder.read_out.lstm(result[None, None], state)
        weights = torch.softmax(rows @ query[0, 0], dim=0)
        result = torch.cat((query[0, 0], weights @ rows))
    return result


@pytest.mark.parametrize("aggregation", ["mean", "sum"])
class TestEquations:
    def test_embedding_equals_the_plain_equations(self, batch, aggregation):
        encoder = build(aggregation=aggregation)
        found = encoder(batch)
        atoms, crystals = plain_embedding(encoder, batch)
        torch.testing.assert_close(found.atoms, atoms, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(found.crystals, crystals, rtol=1e-12, atol=1e-13)

    def test_gradients_equal_those_of_the_plain_equations(self, batch, aggregation):
        encoder = build(aggregation=aggregation)
        weights = torch.randn(batch.num_crystals, encoder.crystal_width).double()
        parameters = dict(encoder.named_parameters())
        found = torch.autograd.grad((encoder(batch).crystals * weights).sum(), parameters.values())
        plain = (plain_embedding(encoder, batch)[1] * weights).sum()
        wanted = torch.autograd.grad(plain, parameters.values())
        for name, ours, theirs in zip(parameters, found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, msg=name)

    def test_second_derivatives_equal_those_of_the_plain_equations(self, batch, aggregation):
        encoder = build(aggregation=aggregation)
        found, wanted = (
            force_gradient(encoder, batch, embed)
            for embed in (lambda e, b: e(b).crystals, lambda e, b: plain_embedding(e, b)[1])
        )
        assert found.abs().max() > 1e-3
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)


def force_gradient(encoder: MPNN, batch: CrystalBatch, embed) -> torch.Tensor:
    """Differentiate the squared forces of a made-up energy by a weight."""
    positions = batch.positions.clone().requires_grad_()
    energy = 1e3 * embed(encoder, replace(batch, positions=positions)).square().sum()
    (forces,) = torch.autograd.grad(energy, positions, create_graph=True)
    (gradient,) = torch.autograd.grad(forces.square().sum(), encoder.edge_matrix[0].weight)
    return gradient


def test_widths_and_neighbourhood_follow_the_settings():
    encoder = build(cutoff=4.5, max_neighbours=None, width=8)
    assert (encoder.atom_width, encoder.crystal_width) == (8, 16)
    assert encoder.neighbours == Neighbourhood(cutoff=4.5)


def test_the_number_of_parameters_is_that_of_the_equations():
    w, centres, hidden = 32, 40, 64
    matrices = centres * hidden + hidden + hidden * w * w + w * w
    gru = 3 * (w * w + w) * 2
    lstm = 4 * (2 * w * w + w * w + 2 * w)
    wanted = 119 * w + matrices + w + gru + lstm
    learnt = build(elements="learnt")
    assert sum(one.numel() for one in learnt.parameters()) == wanted == 91_904
    described = 48 * w + w
    assert sum(one.numel() for one in build().parameters()) == wanted + described


@pytest.mark.parametrize("option", [{"cutoff": 0}, {"steps": 0}, {"aggregation": "max"}])
def test_nonsense_is_refused(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        build(**option)


def test_a_device_that_dgl_does_not_know_is_an_error(batch):
    with pytest.raises(MissingPackageError, match="cannot use the device 'meta'; work on the CPU"):
        build().to("meta")(batch.to("meta"))


def test_positions_of_another_precision(batch):
    encoder = build().float()
    found = encoder(batch).crystals
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, encoder.double()(batch).crystals.float())


def test_it_learns_volumes(batch):
    """A training step of DGL's layers does what it should: the error falls to a tenth."""
    encoder = MPNN(MPNNConfig(width=16)).double()
    read_out = torch.nn.Linear(encoder.crystal_width, 1).double()
    wanted = torch.linalg.det(batch.cell).abs().log()
    wanted = (wanted - wanted.mean()) / wanted.std()
    optimiser = torch.optim.Adam([*encoder.parameters(), *read_out.parameters()], lr=0.01)
    errors = []
    for _ in range(40):
        error = (read_out(encoder(batch).crystals)[:, 0] - wanted).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < errors[0] / 10
