"""MACE as a MatSciML encoder, by the layers of mace-torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, Encoder, Neighbourhood
from matsciml_core.errors import ShapeError
from matsciml_core.nn.elements import reject_elements
from matsciml_core.nn.segments import Segments, segment_mean
from matsciml_model_mace.config import MACEConfig
from matsciml_model_mace.network import build_network

REBUILT = "._compiled_main"
"""Coupling coefficients within e3nn's programs, which are no weights and made anew."""


class MACE(Encoder):
    """MACE: each message is a product of what several neighbours send.

    The atom embedding is the scalars of every interaction and, as its last feature, the energy that
    the network's own read-outs give an atom, eV, without that of the free atom,
    ``(atoms, scalars + 1)``; the crystal embedding is its mean.

    References:
        Batatia et al., Advances in Neural Information Processing Systems 35 (2022),
        doi:10.48550/arXiv.2206.07697, as mace-torch 0.3.16 has it.
    """

    config: MACEConfig
    neighbours: Neighbourhood

    def __init__(self, config: MACEConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings.
        """
        config = config or MACEConfig()
        super().__init__(config)
        self.neighbours = Neighbourhood(cutoff=config.cutoff)
        self.network: Any = build_network(config)
        self.atom_width = self.crystal_width = config.width * config.num_interactions + 1
        self.last_layers = ("network.readouts",)
        rows = torch.full((119,), -1)
        rows[list(config.elements)] = torch.arange(len(config.elements))
        self.register_buffer("rows", rows, persistent=False)
        self.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_fill_in)  # type: ignore[no-untyped-call]

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with all edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
            DataError: The network does not know an element.
        """
        if batch.edge_index is None or batch.cell_shift is None:
            raise ShapeError("MACE needs edges; attach neighbours within its cutoff to the batch.")
        dtype = self.network.node_embedding.linear.weight.dtype
        # A view: mace-torch asks for the gradient of what it is given.
        positions = batch.positions.to(dtype)
        positions = positions.view_as(positions) if positions.requires_grad else positions.clone()
        sender, receiver = batch.edge_index
        vectors = batch.edge_vectors().to(dtype)
        data = {
            "positions": positions,
            # Of a vector from sender to receiver; the cell's part of the derivative is in it.
            "shifts": vectors - (positions[receiver] - positions[sender]),
            "unit_shifts": batch.cell_shift.to(dtype),
            "node_attrs": self._one_hot(batch.atomic_numbers).to(dtype),
            "edge_index": batch.edge_index,
            "cell": batch.cell.reshape(-1, 3).to(dtype),
            "batch": batch.crystal_index,
            "ptr": functional.pad(batch.atoms_per_crystal.cumsum(0), (1, 0)),
            "head": batch.atoms_per_crystal.new_full(
                (batch.num_crystals,), self.config.heads.index(self.config.head)
            ),
        }
        found = self.network(data, training=self.training, compute_force=False)
        energies = found["node_energy"].to(dtype).unsqueeze(1)
        atoms = torch.cat((*self._scalars(found["node_feats"]), energies), dim=1)
        nodes = Segments(batch.crystal_index, batch.atoms_per_crystal)
        return Embedding(atoms=atoms, crystals=segment_mean(atoms, nodes))

    def _one_hot(self, atomic_numbers: Tensor) -> Tensor:
        """Return the one-hot rows of the atoms' elements, ``(atoms, elements)``."""
        rows: Tensor = self.rows[atomic_numbers]  # type: ignore[index]
        reject_elements(atomic_numbers, rows < 0, "This MACE")
        return functional.one_hot(rows, len(self.config.elements))

    def _scalars(self, features: Tensor) -> list[Tensor]:
        """Return the scalars of each interaction, which come first among its features."""
        config = self.config
        whole = config.width * (config.hidden_degree + 1) ** 2
        starts = [number * whole for number in range(config.num_interactions)]
        return [features[:, start : start + config.width] for start in starts]


def _leave_out(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Leave what is rebuilt out of a state."""
    for name in [name for name in state if name.startswith(prefix) and REBUILT in name]:
        del state[name]


def _fill_in(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Complete a state with what is rebuilt."""
    for part in (module.named_buffers(), module.named_parameters()):
        for name, tensor in part:
            if REBUILT in name:
                state.setdefault(prefix + name, tensor)
