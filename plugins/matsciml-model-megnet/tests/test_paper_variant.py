"""The benchmark paper's variant of MEGNet, against its authors' program on a small graph.

The reference gives edge and crystal inputs as plain numbers, so the network runs on them and not
on a crystal.
"""

import re

import pytest
import torch
from safetensors.torch import load_file

from matsciml_core import MessageGraph
from matsciml_core.nn.dense import DenseStack
from matsciml_core.nn.segments import Segments
from matsciml_model_megnet._published_layout import new_name
from matsciml_model_megnet.block import Features
from matsciml_model_megnet.config import MEGNetConfig
from matsciml_model_megnet.encoder import MEGNet
from matsciml_model_megnet.layers import softplus


@pytest.fixture(scope="module")
def data(parity) -> dict[str, torch.Tensor]:
    return load_file(parity / "matsciml_megnet_small_float64.safetensors")


def load(data: dict[str, torch.Tensor]) -> tuple[MEGNet, DenseStack]:
    """Build encoder and output layers with the reference's weights."""
    config = MEGNetConfig(
        elements="learnt",
        num_blocks=2,
        hidden_widths=(7, 6),
        convolution_widths=(8, 7, 6),
        element_width=5,
        edge_features="r_mu",
        node_extra="positions",
        state="nine",
        activation="softplus",
        set2set_layers=3,
        set2set_iterations=4,
    )
    encoder = MEGNet(config).double()
    output = DenseStack(30, (6, 4, 1), softplus).double()
    named = {
        new_name(re.sub(r"attr_(encoder|func)", r"state_\1", key.removeprefix("w/"))): value
        for key, value in data.items()
        if key.startswith("w/") and "embed" not in key
    }
    state = dict(encoder.state_dict())
    ours = {name.removeprefix("encoder."): v for name, v in named.items() if "heads" not in name}
    assert set(state) - set(ours) == {"element_embedding.weight", "expansion.centres"}
    encoder.load_state_dict({**state, **ours})
    output.load_state_dict(
        {n.removeprefix("heads.0."): v for n, v in named.items() if "heads" in n}
    )
    return encoder.eval(), output


def run(data: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    encoder, output = load(data)
    order = torch.argsort(data["dst"], stable=True)
    sender, receiver, of_atom = data["src"][order], data["dst"][order], data["graph_of_node"]
    incoming = Segments(receiver, torch.bincount(receiver, minlength=6))
    atoms = Segments(of_atom, torch.bincount(of_atom))
    elements = data["w/node_embed.weight"][data["atomic_numbers"]]
    inputs = Features(
        edges=data["edge_features"][order],
        atoms=torch.cat((data["x"], elements), dim=1),
        state=data["graph_features"],
    )
    graph = MessageGraph(
        atomic_numbers=data["atomic_numbers"],
        sender=sender,
        incoming=incoming,
        nodes=atoms,
        edges=incoming.joined(atoms),
        sender_atom=sender,
        unit=None,
    )
    embedding = encoder.embed(inputs, graph).crystals
    return embedding, output(embedding)


def test_embedding(data):
    torch.testing.assert_close(run(data)[0], data["embedding_out"], rtol=0, atol=1e-10)


def test_set2set_of_the_atoms(data):
    torch.testing.assert_close(run(data)[0][:, :12], data["node_set2set"], rtol=0, atol=1e-10)


def test_prediction(data):
    torch.testing.assert_close(run(data)[1], data["prediction"], rtol=0, atol=1e-10)
