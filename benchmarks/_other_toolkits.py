"""The same networks as other toolkits have them, to compare speeds at equal widths.

- MEGNet of matgl, through PyTorch Geometric: ``pip install matgl``. Its atoms' embedding, edge
  features and read-out are set to the encoder's; it has no reduced mass among the edge features,
  no nine-number state and one size for all Set2Set layers, so that presets with those are built
  as near as its arguments allow.
- E(n)-GNN as PyTorch Geometric is used: a ``MessagePassing`` layer with the plain network's dense
  layers.
"""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import torch
from _plain_egnn import PlainEGNN, PlainLayer
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Embedding


def of_another_toolkit(name: str, encoder: nn.Module) -> nn.Module | None:
    """Return the network of another toolkit; None where there is none, or it is not installed."""
    builders = {"megnet": MatGLMEGNet, "egnn": PyGEGNN}
    try:
        return builders[name](encoder) if name in builders else None
    except ImportError:
        return None


class MatGLMEGNet(nn.Module):
    """matgl's MEGNet with the widths of the project's.

    Raises:
        ImportError: matgl is not installed.
    """

    def __init__(self, encoder: Any) -> None:
        """Build it."""
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from matgl.layers import BondExpansion
            from matgl.models import MEGNet

            config = encoder.config
            last = config.cutoff + 1.0
            self.network = MEGNet(
                dim_node_embedding=config.element_width,
                dim_edge_embedding=config.gaussian_centres,
                dim_state_embedding=2,
                nblocks=config.num_blocks,
                hidden_layer_sizes_input=config.hidden_widths,
                hidden_layer_sizes_conv=config.convolution_widths,
                nlayers_set2set=config.set2set_layers,
                niters_set2set=config.set2set_iterations,
                activation_type="softplus2",
                dropout=config.dropout,
                element_types=tuple(str(number) for number in range(119)),
                cutoff=config.cutoff,
                bond_expansion=BondExpansion(
                    rbf_type="Gaussian",
                    initial=0.0,
                    final=last,
                    num_centers=config.gaussian_centres,
                    width=config.gaussian_exponent,
                ),
            )

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch with all its edges."""
        graph = SimpleNamespace(
            node_type=batch.atomic_numbers,
            pos=batch.positions,
            edge_index=batch.edge_index,
            pbc_offshift=edge_shifts(batch),
            batch=batch.crystal_index,
            num_graphs=batch.num_crystals,
        )
        self.network(graph, batch.positions.new_zeros(batch.num_crystals, 2))
        features = self.network.feature_dict
        last = features[f"gc_{len(self.network.blocks)}"]
        return Embedding(atoms=last["node_feat"], crystals=features["readout"])


class PyGEGNN(PlainEGNN):
    """E(n)-GNN with PyTorch Geometric's message passing, and the encoder's weights.

    Raises:
        ImportError: PyTorch Geometric is not installed.
    """

    def __init__(self, encoder: Any) -> None:
        """Copy the weights, and put the layers into message passing."""
        super().__init__(encoder.config)
        self.load_state_dict(encoder.state_dict())
        self.layers = nn.ModuleList(_message_passing(layer) for layer in self.layers)


def _message_passing(plain: Any) -> nn.Module:
    from torch_geometric.nn import MessagePassing

    class Layer(MessagePassing):  # type: ignore[misc]
        """One layer, as a user of PyTorch Geometric writes it."""

        def __init__(self, plain: PlainLayer) -> None:
            super().__init__(aggr="add")
            self.plain = plain

        def forward(
            self, h: Tensor, x: Tensor, edges: tuple[Tensor, Tensor], shift: Tensor, *, move: bool
        ) -> tuple[Tensor, Tensor]:
            """Return new features ``(atoms, width)`` and positions ``(atoms, 3)``, Å."""
            plain, (sender, receiver) = self.plain, edges
            summed = self.propagate(
                torch.stack((sender, receiver)), h=h, x=x, shift=shift, move=move
            )
            width = plain.message.layers[-1].out_features
            collected, step = summed.split([width, summed.shape[1] - width], dim=1)
            new = plain.update(torch.cat((h, plain.divide(collected, receiver)), 1))
            new = h + new if plain.config.residual else new
            return new, x + plain.divide(step, receiver) if step.shape[1] else x

        def message(
            self, h_i: Tensor, h_j: Tensor, x_i: Tensor, x_j: Tensor, shift: Tensor, move: bool
        ) -> Tensor:
            """Return message and displacement of each edge, ``(edges, message + 3)``."""
            plain = self.plain
            v = x_j + shift - x_i
            r2 = (v * v).sum(1, keepdim=True)
            r = r2.sqrt()
            scale = plain.envelope(r)
            m = plain.message(torch.cat((h_j, h_i, plain.features(r2, r)), 1))
            if plain.position is None or not move:
                return m * scale
            w = plain.position(m)
            w = (torch.tanh(w) if plain.config.tanh else w) * scale
            u = v / (r + plain.config.normalisation_constant) if plain.config.normalise else v
            return torch.cat((m * scale, u * w), 1)

    return Layer(plain)


def edge_shifts(batch: CrystalBatch) -> Tensor:
    """Return how far each edge's sender is moved, ``(edges, 3)``, Å."""
    if batch.edge_index is None or batch.cell_shift is None:
        raise ValueError("The network needs a batch with edges.")
    of_edge = batch.crystal_index[batch.edge_index[1]]
    # matgl adds the shift to the receiver, and here it belongs to the sender.
    return -torch.einsum("ei,eij->ej", batch.cell_shift, batch.cell[of_edge])
