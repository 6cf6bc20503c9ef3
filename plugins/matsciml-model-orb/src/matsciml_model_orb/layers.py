"""The layers of Orb: functions of an edge's vector, perceptrons, and the exchange of messages."""

from __future__ import annotations

import itertools
import math

import torch
from ase.data import covalent_radii
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core.nn.envelopes import polynomial_envelope

CUTOFF = 6.0
"""Longest edge, Å, in all networks of orb-models."""
_SCREENING = ((0.1818, 3.2), (0.5099, 0.9423), (0.2802, 0.4028), (0.02817, 0.2016))
"""Weights and inverse lengths of the universal screening function."""


class Bessel(nn.Module):
    """√(2/c) sin(f_n r) / r, the frequencies being those of the file."""

    frequencies: Tensor

    def __init__(self, count: int) -> None:
        """Start from n π / c.

        Args:
            count: Number of functions.
        """
        super().__init__()
        self.register_buffer("frequencies", torch.arange(1.0, count + 1.0) * (math.pi / CUTOFF))

    def forward(self, lengths: Tensor) -> Tensor:
        """Return the radial functions of lengths.

        Args:
            lengths: ``(edges,)``, Å.

        Returns:
            ``(edges, functions)``, Å^(-3/2).
        """
        lengths = lengths.unsqueeze(1)
        return math.sqrt(2.0 / CUTOFF) * torch.sin(self.frequencies * lengths) / lengths


class Perceptron(nn.Module):
    """Dense layers with SiLU between them, and a norm behind."""

    def __init__(self, sizes: tuple[int, ...], *, norm: bool) -> None:
        """Build the layers.

        Args:
            sizes: Of the input, the hidden layers, and the result.
            norm: Whether the result is divided by its root mean square.
        """
        super().__init__()
        pairs = itertools.pairwise(sizes)
        self.layers = nn.ModuleList(nn.Linear(one, following) for one, following in pairs)
        self.norm = nn.RMSNorm(sizes[-1]) if norm else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        """Apply all layers.

        Args:
            values: ``(rows, input)``, dimensionless.

        Returns:
            ``(rows, width)``, dimensionless.
        """
        return self.after_first(self.layers[0](values))

    def after_first(self, values: Tensor) -> Tensor:
        """Apply the layers behind the first.

        Args:
            values: What the first layer gives, ``(rows, hidden)``, dimensionless.

        Returns:
            ``(rows, width)``, dimensionless.
        """
        for layer in self.layers[1:]:
            values = layer(functional.silu(values))
        normed: Tensor = self.norm(values)
        return normed


class Interaction(nn.Module):
    """Edges learn from both of their atoms, and atoms from the edges that they send and receive."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        """Build the layers.

        Args:
            sizes: Of a perceptron: three widths, the hidden layers, and the width.
        """
        super().__init__()
        width = sizes[-1]
        self.atoms = Perceptron(sizes, norm=True)
        self.edges = Perceptron(sizes, norm=True)
        self.receive = nn.Linear(width, 1)
        self.send = nn.Linear(width, 1)

    def forward(
        self, atoms: Tensor, edges: Tensor, ends: tuple[Tensor, Tensor], cutoffs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the new features.

        Args:
            atoms: Features, ``(atoms, width)``, dimensionless.
            edges: Features, ``(edges, width)``, dimensionless.
            ends: Sending and receiving atom of each edge, ``(edges,)`` each, dimensionless.
            cutoffs: How much of each edge is felt, ``(edges, 1)``, dimensionless, 0 at the
                cutoff.
        """
        sending, receiving = ends
        gates = [torch.sigmoid(gate(edges)) * cutoffs for gate in (self.send, self.receive)]
        # The first layer multiplies each atom once, before it is gathered to its many edges.
        first = self.edges.layers[0]
        own, sent, received = first.weight.chunk(3, dim=1)  # type: ignore[operator, union-attr]
        messages = self.edges.after_first(
            functional.linear(edges, own, first.bias)  # type: ignore[arg-type]
            + functional.linear(atoms, sent).index_select(0, sending)
            + functional.linear(atoms, received).index_select(0, receiving)
        )
        sums = [
            torch.zeros_like(atoms).index_add(0, index, messages * gate)
            for index, gate in zip(ends, gates, strict=True)
        ]
        update = self.atoms(torch.cat((atoms, sums[1], sums[0]), dim=1))
        return atoms + update, edges + messages


class Repulsion(nn.Module):
    """The repulsion of nuclei as orb-models 0.5.5 computes it, with which weights were trained.

    That is the potential of Ziegler, Biersack and Littmark within the sum of covalent radii, but
    of the elements that follow each atom's own: charges and radii are those of Z + 1.
    """

    radii: Tensor

    def __init__(self) -> None:
        """Note the radii."""
        super().__init__()
        radii = torch.tensor(covalent_radii, dtype=torch.float32)
        self.register_buffer("radii", radii, persistent=False)

    def forward(self, lengths: Tensor, elements: tuple[Tensor, Tensor]) -> Tensor:
        """Return the half of each pair's energy that an edge has.

        Args:
            lengths: Of the edges, ``(edges,)``, Å.
            elements: Atomic numbers at both ends, ``(edges,)`` each, dimensionless.

        Returns:
            ``(edges,)``, eV.
        """
        first, second = ((numbers + 1).to(lengths.dtype) for numbers in elements)
        longest = sum(self.radii.index_select(0, numbers + 1) for numbers in elements)
        # 0.529 Å is the Bohr radius. As published, the potential has the exponent 0.23 and the
        # factor 0.8854, where orb-models has 0.3 and 0.4543.
        reduced = lengths * (first**0.3 + second**0.3) / (0.4543 * 0.529)
        screened = sum(weight * torch.exp(-rate * reduced) for weight, rate in _SCREENING)
        # e²/(4π ε0) is 14.3996 eV Å.
        cut = polynomial_envelope(lengths / longest, 6)
        return 0.5 * 14.3996 * first * second / lengths * screened * cut
