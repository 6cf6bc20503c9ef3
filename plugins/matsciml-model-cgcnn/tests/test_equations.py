"""The network against its equations, written out atom by atom and edge by edge."""

import math

import pytest
import torch

from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_model_cgcnn.config import CGCNNConfig
from matsciml_model_cgcnn.encoder import CGCNN

SILU, SOFTPLUS = torch.nn.functional.silu, torch.nn.functional.softplus


def slow_envelope(x: float, p: int) -> float:
    if x >= 1:
        return 0.0
    return (
        1
        - (p + 1) * (p + 2) / 2 * x**p
        + p * (p + 2) * x ** (p + 1)
        - p * (p + 1) / 2 * x ** (p + 2)
    )


def slow_edges(batch, config):
    """Return for each atom its neighbours: (sender, Gaussians, factor of the message)."""
    sender, receiver = batch.edge_index.tolist()
    lengths = batch.edge_vectors().norm(dim=1).tolist()
    edges = [[] for _ in range(batch.num_atoms)]
    for first, second, length in zip(sender, receiver, lengths, strict=True):
        edges[second].append((first, length))
    described = []
    for neighbours in edges:
        rows = []
        for first, length in neighbours:
            factor = 1.0
            if config.envelope:
                factor = slow_envelope(length / config.cutoff, config.envelope_power)
            count = config.distance_functions
            step = config.cutoff / (count - 1)
            gaussians = [math.exp(-0.5 * ((length - k * step) / step) ** 2) for k in range(count)]
            rows.append((first, factor * torch.tensor(gaussians, dtype=torch.float64), factor))
        described.append(rows)
    return described


def slow_embedding(encoder, batch):
    """Return atom and crystal embeddings by the equations in the README."""
    config = encoder.config
    activate = SILU if config.activation == "silu" else SOFTPLUS
    edges = slow_edges(batch, config)
    atoms = list(encoder.elements(batch.atomic_numbers))
    for layer in encoder.convolutions:
        seen = [layer.norm(v) for v in atoms]
        updated = []
        for i, neighbours in enumerate(edges):
            total = torch.zeros(config.message_width).double()
            for j, gaussians, factor in neighbours:
                weight = torch.cat(
                    (layer.receiver.weight, layer.sender.weight, layer.edge.weight), dim=1
                )
                z = weight @ torch.cat((seen[i], seen[j], gaussians)) + layer.receiver.bias
                gate, content = z.chunk(2)
                total = total + factor * torch.sigmoid(gate) * activate(content)
            total = total / config.avg_num_neighbors
            updated.append(atoms[i] + layer.update(total))
        atoms = updated
    if encoder.readout is not None:
        atoms = [activate(encoder.readout(v)) for v in atoms]
    crystals = []
    for part in torch.stack(atoms).split(batch.atoms_per_crystal.tolist()):
        if encoder.readout is None:
            crystals.append(part.mean(dim=0))
        else:
            deviation = (part.var(dim=0, correction=0) + 1e-4).sqrt()
            crystals.append(torch.cat((part.mean(dim=0), deviation)))
    return torch.stack(atoms), torch.stack(crystals)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_neighbours": 4, "elements": "described", "envelope_power": 6},
        {"elements": "learnt", "message_width": 9},
        {"preset": "published"},
        {"preset": "published", "activation": "silu", "readout": "moments"},
    ],
    ids=str,
)
def test_equations(crystals, options):
    small = {"width": 6, "message_width": 6, "distance_functions": 7}
    config = CGCNNConfig.from_options({"cutoff": 5.0, **small, **options}, where="encoder")
    encoder = CGCNN(config).double()
    batch = attach_neighbours(crystals, encoder.neighbours)
    embedding = encoder(batch)
    atoms, values = slow_embedding(encoder, batch)
    torch.testing.assert_close(embedding.atoms, atoms, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(embedding.crystals, values, rtol=1e-10, atol=1e-12)


def test_published_sizes():
    """The paper's program has 64 atom features, three convolutions, 41 Gaussians up to 8 Å."""
    encoder = CGCNN(CGCNNConfig.from_options({"preset": "published"}, where="encoder"))
    layer = encoder.convolutions[0]
    weights = (layer.receiver.weight, layer.sender.weight, layer.edge.weight)
    # The program's layer is Linear(2 * 64 + 41, 2 * 64).
    assert torch.cat(weights, dim=1).shape == (128, 169)
    assert layer.receiver.bias.shape == (128,)
    assert len(encoder.convolutions) == 3
    assert (encoder.neighbours.cutoff, encoder.neighbours.max_neighbours) == (8.0, 12)
    assert (encoder.atom_width, encoder.crystal_width) == (64, 64)


def test_messages_must_be_as_wide_as_atoms_to_be_added():
    with pytest.raises(ValueError, match=r"message_width \(32\) must equal width \(64\)"):
        CGCNNConfig(update="add", message_width=32)
