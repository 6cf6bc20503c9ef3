"""E(n)-GNN as its equations are written, to compare the encoder with: join, multiply, scatter.

Every edge gets its own row [h_sender, h_receiver, features]; dense layers and activations are
torch's; sums are ``index_add``. Modules are named as in the encoder, so either can load the
other's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Embedding
from matsciml_core.nn.elements import ElementEmbedding


class PlainDense(nn.Module):
    """Dense layers with an activation between them."""

    def __init__(
        self,
        widths: Sequence[int],
        activation: nn.Module,
        *,
        activate_last: bool = False,
        last_bias: bool = True,
    ) -> None:
        """Build the layers; ``widths`` starts with the width of the input."""
        super().__init__()
        last = len(widths) - 2
        self.layers = nn.ModuleList(
            nn.Linear(widths[k], widths[k + 1], bias=last_bias or k < last) for k in range(last + 1)
        )
        self.activation = activation
        self.activate_last = activate_last

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(rows, first width)`` to ``(rows, last width)``."""
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if self.activate_last or number < len(self.layers) - 1:
                x = self.activation(x)
        return x


class PlainLayer(nn.Module):
    """One layer."""

    def __init__(self, config: Any, features: int, *, moves: bool) -> None:
        """Build the networks."""
        super().__init__()
        act = nn.ReLU() if config.activation == "relu" else nn.SiLU()
        width, message = config.width, config.message_widths
        self.config = config
        self.message = PlainDense((2 * width + features, *message), act, activate_last=True)
        self.update = PlainDense((width + message[-1], *config.update_widths, width), act)
        self.position = (
            PlainDense((message[-1], *config.position_widths, 1), act, last_bias=False)
            if moves
            else None
        )
        self.attention = nn.Linear(message[-1], 1) if config.attention != "none" else None

    def forward(
        self, h: Tensor, x: Tensor, edges: tuple[Tensor, Tensor], shift: Tensor, *, move: bool
    ) -> tuple[Tensor, Tensor]:
        """Return new features ``(atoms, width)`` and positions ``(atoms, 3)``, Å."""
        config, (sender, receiver) = self.config, edges
        v = x[sender] + shift - x[receiver]  # (edges, 3)
        r2 = (v * v).sum(1, keepdim=True)
        r = r2.sqrt()
        scale = self.envelope(r)
        m = self.message(torch.cat((h[sender], h[receiver], self.features(r2, r)), 1))
        if self.attention is not None:
            m = m * self.weights(self.attention(m), scale, receiver, len(h))
        collected = self.divide(
            torch.zeros(len(h), m.shape[1]).to(m).index_add(0, receiver, m * scale), receiver
        )
        new = self.update(torch.cat((h, collected), 1))
        if config.residual:
            new = h + new
        if self.position is None or not move:
            return new, x
        w = self.position(m)
        w = (torch.tanh(w) if config.tanh else w) * scale
        u = v / (r + config.normalisation_constant) if config.normalise else v
        step = torch.zeros_like(x).index_add(0, receiver, u * w)
        return new, x + self.divide(step, receiver)

    def features(self, r2: Tensor, r: Tensor) -> Tensor:
        """Return what a message sees of the distance, ``(edges, features)``."""
        config = self.config
        if config.distance == "squared":
            return r2
        if config.distance == "scaled":
            return r2 / config.cutoff**2
        number = config.distance_functions
        k = torch.arange(number).to(r)
        if config.distance == "gaussian":
            spacing = config.cutoff / (number - 1)
            return torch.exp(-((r - k * spacing) ** 2) / (2 * spacing**2))
        x = torch.pi * r / config.cutoff
        return 2**0.5 * torch.sin((k + 1) * x) / x

    def envelope(self, r: Tensor) -> Tensor:
        """Return the envelope, ``(edges, 1)``."""
        if not self.config.envelope:
            return torch.ones_like(r)
        x = (r / self.config.cutoff).clamp(max=1)
        return 1 - 28 * x**6 + 48 * x**7 - 21 * x**8

    def weights(self, score: Tensor, scale: Tensor, receiver: Tensor, atoms: int) -> Tensor:
        """Return the attention, ``(edges, 1)``."""
        if self.config.attention == "sigmoid":
            return torch.sigmoid(score)
        grown = torch.exp(nn.functional.leaky_relu(score, 0.2)) * scale.clamp(min=1e-12)
        total = torch.zeros(atoms, 1).to(grown).index_add(0, receiver, grown)
        return grown / total[receiver]

    def divide(self, summed: Tensor, receiver: Tensor) -> Tensor:
        """Turn a sum over edges into what the settings ask for."""
        if self.config.aggregation == "sum":
            return summed / self.config.avg_num_neighbors
        ones = torch.ones(len(receiver)).to(summed)
        count = torch.zeros(len(summed)).to(summed).index_add(0, receiver, ones)
        return summed / count.clamp(min=1).unsqueeze(1)


class PlainEGNN(nn.Module):
    """The network on full graphs; call it with the batch that the encoder gets."""

    def __init__(self, config: Any) -> None:
        """Build the network from the encoder's settings."""
        super().__init__()
        self.config = config
        act = nn.ReLU() if config.activation == "relu" else nn.SiLU()
        expanded = config.distance in ("gaussian", "bessel")
        features = config.distance_functions if expanded else 1
        self.element_embedding = ElementEmbedding(
            config.width, config.elements, rows=config.element_rows, padding=True
        )
        self.input = nn.Linear(config.width, config.width)
        last = config.num_layers - 1
        self.layers = nn.ModuleList(
            PlainLayer(
                config,
                features,
                moves=config.last_position_network if k == last else config.update_positions,
            )
            for k in range(config.num_layers)
        )
        self.activation = act
        self.projection = PlainDense((config.width, *config.projection_widths), act)

    @classmethod
    def like(cls, encoder: nn.Module) -> PlainEGNN:
        """Return the same network as an encoder, with a copy of its weights."""
        plain = cls(encoder.config)
        state = encoder.state_dict()
        dtype = next(iter(state.values())).dtype
        plain.to(dtype).load_state_dict(state)
        return plain

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch with all its edges."""
        if batch.edge_index is None or batch.cell_shift is None:
            raise ValueError("The plain network needs a batch with edges.")
        sender, receiver = batch.edge_index
        of_edge = batch.crystal_index[receiver]
        shift = torch.einsum("ei,eij->ej", batch.cell_shift, batch.cell[of_edge])
        x = batch.positions
        h = self.input(self.element_embedding(batch.atomic_numbers))
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            # Like the encoder, it does not compute positions that nobody looks at.
            move = self.config.update_positions and number < last
            h, x = layer(h, x, (sender, receiver), shift, move=move)
            if number < last:
                h = (
                    nn.functional.relu(h)
                    if self.config.activation == "relu"
                    else nn.functional.silu(h)
                )
        atoms = self.projection(h)
        crystals = torch.zeros(batch.num_crystals, atoms.shape[1]).to(atoms)
        crystals = crystals.index_add(0, batch.crystal_index, atoms)
        if self.config.readout == "mean":
            crystals = crystals / batch.atoms_per_crystal.to(crystals).unsqueeze(1)
        return Embedding(atoms=atoms, crystals=crystals)
