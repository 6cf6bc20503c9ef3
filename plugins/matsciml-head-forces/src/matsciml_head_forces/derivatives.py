"""Forces and stress as derivatives of an energy."""

from __future__ import annotations

import torch
from torch import Tensor

from matsciml_core import CrystalBatch
from matsciml_core.errors import ConfigError


def derivatives(
    energies: Tensor, batch: CrystalBatch, *, create_graph: bool, stress: bool
) -> tuple[Tensor, Tensor | None]:
    """Differentiate energies with respect to positions and, for the stress, a strain.

    Under a strain ε the positions become x (1 + ε) and the lattice vectors L (1 + ε), rows each.
    By the chain rule ∂E/∂ε_ab = Σ_i x_ia ∂E/∂x_ib + Σ_k L_ka ∂E/∂L_kb, so that no strained copy of
    the batch is needed. Only the symmetric part is kept: a rotation changes no energy.

    Args:
        energies: ``(crystals,)``, in any unit u.
        batch: The batch that the energies were computed from; its positions, and for the stress
            its cell, require gradients.
        create_graph: Whether the derivatives will be differentiated again, as in training.
        stress: Whether to return the stress.

    Returns:
        Forces −∂E/∂x, ``(atoms, 3)``, u/Å, and the stress (∂E/∂ε)/V, ``(crystals, 3, 3)``, u/Å³,
        positive under tension, as ASE has it.

    Raises:
        ConfigError: The positions or the cell do not require gradients.
    """
    inputs = [batch.positions, batch.cell] if stress else [batch.positions]
    if not all(tensor.requires_grad for tensor in inputs):
        raise ConfigError(
            "Forces and stress need positions and cell that require gradients; pass the batch "
            "through matsciml_core.with_gradients before the encoder sees it."
        )
    gradients = torch.autograd.grad(
        energies.sum(),
        inputs,
        create_graph=create_graph,
        retain_graph=True,  # other heads of the batch share the encoder's graph
        materialize_grads=True,
    )
    if not stress:
        return -gradients[0], None
    by_positions, by_cell = gradients
    outer = batch.positions.unsqueeze(2) * by_positions.unsqueeze(1)  # (atoms, 3, 3)
    virial = torch.zeros_like(by_cell).index_add(0, batch.crystal_index, outer)
    virial = virial + batch.cell.transpose(1, 2) @ by_cell
    # The determinant of a left-handed cell is negative.
    volume: Tensor = torch.linalg.det(batch.cell).abs().view(-1, 1, 1)
    return -by_positions, 0.5 * (virial + virial.transpose(1, 2)) / volume
