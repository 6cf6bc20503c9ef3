"""A head for tests: an energy that is a sum over atoms, with its exact derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Never

import torch
from torch import Tensor, nn

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Embedding
from matsciml_core.interfaces.head import TaskHead
from matsciml_core.registry.targets import TargetInfo

_UNUSED = "The tests train nothing."


class AtomicSumHead(TaskHead):
    """E = Σ_i (std · y_i + mean), with y_i linear in the embedding of atom i.

    Args:
        targets: Labels of the kinds energy, forces and stress.
        atom_width: Width of the embedding of atoms.
        crystal_width: Width of the embedding of crystals, which is not used.
        config: Nothing.
    """

    units: ClassVar = {"energy": ("eV",), "forces": ("eV/Å",), "stress": ("eV/Å³",)}

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Any = None,
    ) -> None:
        """Make a linear layer."""
        super().__init__(targets, atom_width, crystal_width, config)
        self.names = {info.kind: info.name for info in self.targets}
        self.needs_position_gradient = bool({"forces", "stress"} & self.names.keys())
        self.needs_cell_gradient = "stress" in self.names
        self.layer = nn.Linear(atom_width, 1)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("std", torch.ones((), dtype=torch.float64))

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the scaled energy, and the derivatives that are among the labels."""
        values = self.layer(embedding.atoms)[:, 0]
        energy = values.new_zeros(batch.num_crystals).index_add(0, batch.crystal_index, values)
        output = {self.names["energy"]: energy}
        if not self.needs_position_gradient:
            return output
        inputs = [batch.positions, batch.cell][: 1 + self.needs_cell_gradient]
        gradients = torch.autograd.grad(energy.sum(), inputs, retain_graph=True)
        if "forces" in self.names:
            output[self.names["forces"]] = -gradients[0]
        if "stress" in self.names:
            # ∂E/∂ε_ab = Σ_i x_ia ∂E/∂x_ib + Σ_k L_ka ∂E/∂L_kb, of which the symmetric part counts.
            outer = batch.positions.unsqueeze(2) * gradients[0].unsqueeze(1)
            virial = torch.zeros_like(batch.cell).index_add(0, batch.crystal_index, outer)
            virial = virial + batch.cell.transpose(1, 2) @ gradients[1]
            volume = torch.linalg.det(batch.cell).abs().view(-1, 1, 1)
            output[self.names["stress"]] = 0.5 * (virial + virial.transpose(1, 2)) / volume
        return output

    def inverse_transform(
        self, prediction: Mapping[str, Tensor], batch: CrystalBatch
    ) -> dict[str, Tensor]:
        """Return energies, and their derivatives.

        Args:
            prediction: What :meth:`forward` returned, in units of the standard deviation: energies,
                ``(crystals,)``, forces, ``(atoms, 3)``, and stress, ``(crystals, 3, 3)``.
            batch: The crystals.

        Returns:
            The same in eV, eV/Å and eV/Å³.
        """
        values = {name: self.std * value.double() for name, value in prediction.items()}
        values[self.names["energy"]] += self.mean * batch.atoms_per_crystal
        return values

    def fit(self, training: Any) -> Never:
        """Not done."""
        raise NotImplementedError(_UNUSED)

    def transform(self, batch: Any) -> Never:
        """Not done."""
        raise NotImplementedError(_UNUSED)

    def loss(self, prediction: Any, target: Any, mask: Any, weights: Any = None) -> Never:
        """Not done."""
        raise NotImplementedError(_UNUSED)

    def metrics(self) -> Never:
        """Not done."""
        raise NotImplementedError(_UNUSED)

    def baseline_predictions(self, batch: Any) -> Never:
        """Not done."""
        raise NotImplementedError(_UNUSED)
