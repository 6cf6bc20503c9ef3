"""The convolutions of CHGNet: gated perceptrons of what meets at an edge or an angle."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core.nn.segments import Segments, segment_sum
from matsciml_model_chgnet.bond_graph import BondGraph

Part = tuple[Tensor, Tensor | None]
"""A part of a joined input: rows, and which of them each row of the result takes; None: its own."""


class GatedPerceptron(nn.Module):
    """silu(LayerNorm(f(x))) ⊙ sigmoid(LayerNorm(g(x))), f and g with one hidden layer or none.

    x joins features of atoms, bonds and angles. The first layer multiplies each once, before they
    are gathered to the many edges and angles that share them.
    """

    def __init__(self, parts: int, width: int, *, hidden: bool) -> None:
        """Build the layers.

        Args:
            parts: How many parts of ``width`` features the input joins.
            width: Of each part, and of the result.
            hidden: Whether there is a hidden layer.
        """
        super().__init__()
        self.width = width
        self.first = nn.Linear(parts * width, 2 * width)  # f, then g
        self.core = nn.Linear(width, width) if hidden else nn.Identity()
        self.gate = nn.Linear(width, width) if hidden else nn.Identity()
        self.hidden = hidden
        self.core_norm = nn.LayerNorm(width)
        self.gate_norm = nn.LayerNorm(width)

    def forward(self, parts: Sequence[Part]) -> Tensor:
        """Return ``(rows, width)`` of parts in the order of the weights."""
        x = self.first.bias
        for (values, index), weight in zip(
            parts, self.first.weight.split(self.width, dim=1), strict=True
        ):
            share = values @ weight.T
            x = x + (share if index is None else share.index_select(0, index))
        if self.hidden:
            x = functional.silu(x)
        core, gate = x.split(self.width, dim=1)
        core = functional.silu(self.core_norm(self.core(core)))
        return core * torch.sigmoid(self.gate_norm(self.gate(gate)))


class AtomConvolution(nn.Module):
    """v_i ← v_i + W Σ_j w_ij ⊙ φ(v_i, e_ij, v_j), over the edges into atom i."""

    def __init__(self, width: int) -> None:
        """Build the layers."""
        super().__init__()
        self.message = GatedPerceptron(3, width, hidden=True)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, atoms: Tensor, bonds: Tensor, weights: Tensor, edges: tuple[Tensor, Segments, Tensor]
    ) -> Tensor:
        """Return the new features of the atoms.

        Args:
            atoms: ``(atoms, width)``, dimensionless.
            bonds: ``(bonds, width)``, dimensionless.
            weights: w of each bond, zero at the cutoff, ``(bonds, width)``, dimensionless.
            edges: Senders ``(edges,)``, the edges into each atom, and the bond of each edge
                ``(edges,)``; dimensionless.
        """
        sender, incoming, bond = edges
        parts = ((atoms, incoming.index), (bonds, bond), (atoms, sender))
        messages = self.message(parts) * weights.index_select(0, bond)  # (edges, width)
        return atoms + self.out(segment_sum(messages, incoming))


class BondConvolution(nn.Module):
    """e_ij ← e_ij + W Σ_k w_ij ⊙ w_ik ⊙ φ(e_ij, e_ik, a_jik, v_i), over the angles at both ends."""

    def __init__(self, width: int) -> None:
        """Build the layers."""
        super().__init__()
        self.message = GatedPerceptron(4, width, hidden=True)
        self.out = nn.Linear(width, width, bias=False)

    def forward(
        self, bonds: Tensor, weights: Tensor, parts: Sequence[Part], graph: BondGraph
    ) -> Tensor:
        """Return the new features of the short bonds.

        Args:
            bonds: ``(short, width)``, dimensionless.
            weights: w of each short bond, zero at the cutoff of bonds, ``(short, width)``,
                dimensionless.
            parts: First bond, second bond, angle and atom of each angle.
            graph: Which edges make the angles.
        """
        (_, first), (_, second), *_ = parts
        messages = self.message(parts) * weights.index_select(0, first)
        messages = messages * weights.index_select(0, second)  # (angles, width)
        of_edges = segment_sum(messages, graph.angles)  # (short edges, width)
        totals = torch.zeros_like(bonds).index_add(0, graph.short_of_edge, of_edges)
        return bonds + self.out(totals)
