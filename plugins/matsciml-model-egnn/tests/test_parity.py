"""The reference numbers of the benchmark paper's program, float64."""

import json

import pytest
import torch
from safetensors.torch import load_file

from matsciml_core import CrystalBatch
from matsciml_core.nn.dense import DenseStack
from matsciml_core.nn.message_graph import MessageGraph
from matsciml_model_egnn.config import EGNNConfig
from matsciml_model_egnn.encoder import EGNN
from matsciml_model_egnn.layer import EdgeGeometry, EGNNLayer
from matsciml_model_egnn.layers import ACTIVATIONS, Senders

TOLERANCE = {"rtol": 0, "atol": 1e-10}
TABLE6 = {
    "elements": "learnt",
    "distance": "squared",
    "envelope": False,
    "last_position_network": True,
    "readout": "sum",
    "activation": "relu",
    "projection_widths": (10, 10, 10),
}
SMALL = {
    "width": 4,
    "message_widths": (5, 6, 7),
    "position_widths": (3, 4),
    "update_widths": (6, 6, 6),
}
CASES = {
    "table6": {},
    "no_tanh_no_normalize": {"tanh": False, "normalise": False},
    "sigmoid_attention": {"attention": "sigmoid"},
    "no_residual_silu": {"residual": False, "activation": "silu"},
    "edge_attributes": {},
}
NETWORKS = {"edge_func": "message", "position_func": "position", "feat_func": "update"}


@pytest.fixture(scope="module")
def reference(parity) -> dict[str, torch.Tensor]:
    return load_file(parity / "egnn_reference_float64.safetensors")


@pytest.fixture(scope="module")
def order(reference) -> torch.Tensor:
    """Our batches have their edges sorted by receiver."""
    return torch.argsort(reference["dst"], stable=True)


def as_batch(reference: dict[str, torch.Tensor], order: torch.Tensor) -> CrystalBatch:
    crystals = reference["graph_of_node"]
    return CrystalBatch(
        atomic_numbers=reference["atomic_numbers"],
        positions=reference["x"].clone(),
        cell=50 * torch.eye(3).double().expand(2, 3, 3),
        pbc=torch.zeros(2, 3, dtype=torch.bool),
        crystal_index=crystals,
        atoms_per_crystal=torch.bincount(crystals),
        edge_index=torch.stack((reference["src"], reference["dst"]))[:, order],
        cell_shift=torch.zeros(len(order), 3).double(),
        edges_per_atom=torch.bincount(reference["dst"], minlength=6),
    )


def ours(name: str) -> str:
    """Return our name of a tensor: dense layers count 0, 1, 2 and not 0, 2, 4."""
    parts = name.split(".")
    if parts[0] == "attention_func":
        return f"attention.{parts[-1]}"
    return f"{NETWORKS[parts[0]]}.layers.{int(parts[2]) // 2}.{parts[3]}"


def weights(reference: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in reference.items() if k.startswith(prefix)}


@pytest.mark.parametrize("way", ["fused", "plain"])
@pytest.mark.parametrize("case", CASES)
class TestLayer:
    def test_features_positions_and_gradient(self, reference, order, case, way):
        config = EGNNConfig(**{**TABLE6, **SMALL, **CASES[case]})
        extra = 2 if case == "edge_attributes" else 0
        layer = EGNNLayer(config, 1 + extra).double()
        theirs = weights(reference, f"layer_{case}/w/")
        layer.load_state_dict({ours(name): value for name, value in theirs.items()})
        batch = as_batch(reference, order)
        x = batch.positions.requires_grad_()
        graph = MessageGraph.of(batch)
        vectors = batch.edge_vectors()
        squared = vectors.square().sum(1)
        features = squared.unsqueeze(1)
        if extra:
            features = torch.cat((features, reference["edge_attributes"][order]), 1)
        edges = EdgeGeometry(
            vectors=vectors,
            distances=squared.sqrt(),
            features=features,
            scale=None,
            fused=way == "fused",
        )
        senders = Senders(graph.sender, 6)
        h, step = layer(reference["h"], edges, graph, senders, move=True)
        moved = x + step
        factors = (torch.arange(h.numel()).double() + 1).view_as(h) / 10
        (gradient,) = torch.autograd.grad((h * factors).sum() + moved.square().sum(), x)
        for name, found in (("h_out", h), ("x_out", moved), ("grad_x", gradient)):
            torch.testing.assert_close(found, reference[f"layer_{case}/{name}"], **TOLERANCE)


class TestModel:
    @pytest.fixture
    def encoder(self, reference, parity) -> EGNN:
        arguments = json.loads((parity / "egnn_reference.json").read_text())["model_kwargs"]
        config = EGNNConfig(
            **TABLE6,
            element_rows=arguments["num_atom_embedding"],
            width=arguments["embed_hidden_dim"],
            num_layers=arguments["embed_depth"],
            message_widths=arguments["embed_message_dims"],
            position_widths=arguments["embed_position_dims"],
            update_widths=arguments["embed_feat_dims"],
        )
        encoder = EGNN(config).double()
        renamed = {"element_embedding.weight": reference["model/w/atom_embedding.weight"]}
        for name, value in weights(reference, "model/w/embed.").items():
            parts = name.split(".", 2)
            if parts[0] == "in_embed":
                renamed[f"input.{name.rsplit('.', 1)[1]}"] = value
            elif parts[0] == "layers":
                renamed[f"layers.{int(parts[1]) // 2}.{ours(parts[2])}"] = value
        for name, value in weights(reference, "model/w/node_projection.layers.").items():
            number, kind = name.split(".")
            renamed[f"projection.layers.{int(number) // 2}.{kind}"] = value
        encoder.load_state_dict(renamed)
        return encoder

    def test_embedding(self, encoder, reference, order):
        found = encoder(as_batch(reference, order))
        torch.testing.assert_close(found.atoms, reference["model/node_embedding"], **TOLERANCE)
        torch.testing.assert_close(found.crystals, reference["model/graph_embedding"], **TOLERANCE)

    def test_energies_and_forces(self, encoder, reference, order):
        head = DenseStack(10, (10, 10, 1), ACTIVATIONS["relu"]).double()
        theirs = weights(reference, "model/w/prediction.layers.")
        numbered = ((name.split("."), value) for name, value in theirs.items())
        head.load_state_dict({f"layers.{int(n) // 2}.{kind}": v for (n, kind), v in numbered})
        batch = as_batch(reference, order)
        x = batch.positions.requires_grad_()
        atoms = head(encoder(batch).atoms).squeeze(1)
        energies = torch.zeros(2).double().index_add(0, batch.crystal_index, atoms)
        (gradient,) = torch.autograd.grad(energies.sum(), x)
        wanted = reference["model/energy_sum_of_node_heads"].view(-1)
        torch.testing.assert_close(energies, wanted, **TOLERANCE)
        torch.testing.assert_close(-gradient, reference["model/forces"], **TOLERANCE)
