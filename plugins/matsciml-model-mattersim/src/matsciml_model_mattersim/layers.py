"""The layers of M3GNet: radial functions, sums over angles, gated perceptrons, interactions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core.nn.envelopes import polynomial_envelope
from matsciml_core.nn.harmonics import harmonics
from matsciml_core.nn.segments import Segments, segment_gather, segment_sum
from matsciml_core.nn.spherical_bessel import bessel_zeros, spherical_bessel

RADIAL = 4
"""Radial functions, and zeros of each spherical Bessel function, in all networks of MatterSim."""
DEGREES = 4
"""Legendre polynomials of angles, likewise."""


class SmoothRadial(nn.Module):
    """Radial functions that end at the cutoff with two derivatives.

    They are orthogonal sums of sin(kπr/c)/(kπr/c), k = 1 … n + 1.

    References:
        Kocer, Mason and Erturk, J. Chem. Phys. 150, 154102 (2019), doi:10.1063/1.5086167.
    """

    mixing: Tensor
    """Their coefficients, ``(n + 1, n)``, Å^(-3/2)."""

    def __init__(self, cutoff: float) -> None:
        """Find the coefficients.

        Args:
            cutoff: c, Å.
        """
        super().__init__()
        self.cutoff = cutoff
        self.register_buffer("mixing", _smooth_mixing(RADIAL, cutoff), persistent=False)

    def forward(self, lengths: Tensor) -> Tensor:
        """Return the radial functions.

        Args:
            lengths: ``(edges,)``, Å.

        Returns:
            ``(edges, 4)``, Å^(-3/2).
        """
        orders = torch.arange(1, RADIAL + 2, dtype=lengths.dtype, device=lengths.device)
        # torch.sinc has the π within.
        return torch.sinc(lengths.unsqueeze(1) / self.cutoff * orders) @ self.mixing.to(
            lengths.dtype
        )


def _smooth_mixing(count: int, cutoff: float) -> Tensor:
    """Return the coefficients of the radial functions, by the recursion of the paper."""
    columns: list[Tensor] = []
    before = 1.0
    for n in range(count):
        column = torch.zeros(count + 1, dtype=torch.float64)
        norm = (n + 1) * (n + 2) / math.sqrt(2 * n * n + 6 * n + 5)
        column[n : n + 2] = (-1) ** n * math.sqrt(2.0) * math.pi / cutoff**1.5 * norm
        share = n**2 * (n + 2) ** 2 / (4 * (n + 1) ** 4 + 1)
        following = 1.0 - share / before
        if n:
            column = (column + math.sqrt(share / before) * columns[-1]) / math.sqrt(following)
        columns.append(column)
        before = following
    return torch.stack(columns, dim=1)


class AngleSums(nn.Module):
    """What the angles between an edge and the others at its atom sum up to.

    S_ij,ln = Σ_{k≠j} R_ln(r_ik) f(r_ik) √((2l + 1)/4π) P_l(cos θ_jik), with R_ln(r) =
    √(2/c³) j_l(z_ln r/c)/|j_{l+1}(z_ln)|, z_ln the zeros of j_l. By the addition theorem P_l is a
    product of harmonics of both directions, so that the sum is made once for each atom, the edge
    itself taken out again, and no pair of edges is ever listed.
    """

    zeros: Tensor
    """z_ln, ``(4, 4)``, dimensionless."""
    norms: Tensor
    """√(2/c³)/|j_{l+1}(z_ln)|, ``(4, 4)``, Å^(-3/2)."""

    def __init__(self, cutoff: float, three_body_cutoff: float) -> None:
        """Find the zeros.

        Args:
            cutoff: c, Å.
            three_body_cutoff: Where f ends, Å.
        """
        super().__init__()
        self.cutoff, self.three_body_cutoff = cutoff, three_body_cutoff
        zeros = torch.from_numpy(bessel_zeros(DEGREES, RADIAL))
        # Row l + 1 is evaluated at the zeros of degree l; row 0 is not used.
        above = spherical_bessel(DEGREES + 1, torch.cat((torch.ones_like(zeros[:1]), zeros)))[1:]
        self.register_buffer("zeros", zeros, persistent=False)
        self.register_buffer("norms", math.sqrt(2 / cutoff**3) / above.abs(), persistent=False)

    def forward(self, directions: Tensor, lengths: Tensor, incoming: Segments) -> Tensor:
        """Return S times f(r_ij).

        Args:
            directions: Of the edges, ``(edges, 3)``, dimensionless.
            lengths: Of the edges, ``(edges,)``, Å.
            incoming: The edges into each atom.

        Returns:
            ``(edges, 16)``, the n of each l next to each other, Å^(-3/2).
        """
        zeros, norms = self.zeros.to(lengths.dtype), self.norms.to(lengths.dtype)
        arguments = zeros.unsqueeze(1) * (lengths / self.cutoff).view(1, -1, 1)
        # The lengths of f do not matter where they are beyond its end.
        ends = polynomial_envelope(lengths / self.three_body_cutoff, 3).unsqueeze(1)
        radial = spherical_bessel(DEGREES, arguments) * norms.unsqueeze(1) * ends  # (l, edges, n)
        angular = harmonics(directions)
        sums = []
        for degree in range(DEGREES):
            own = angular[:, degree**2 : (degree + 1) ** 2]  # (edges, 2l + 1)
            parts = (radial[degree].unsqueeze(2) * own.unsqueeze(1)).flatten(1)
            others = segment_gather(segment_sum(parts, incoming), incoming) - parts
            products = others.view(len(own), RADIAL, 2 * degree + 1) @ own.unsqueeze(2)
            # Harmonics have a mean square of 1: their products add up to (2l + 1) P_l.
            sums.append(products.squeeze(2) / math.sqrt(4 * math.pi * (2 * degree + 1)))
        return torch.cat(sums, dim=1) * ends


class GatedPerceptron(nn.Module):
    """f(x) ⊙ σ(g(x)), f and g perceptrons of the same sizes with SiLU between their layers."""

    def __init__(
        self, inputs: int, sizes: Sequence[int], *, bias: bool = True, last_silu: bool = True
    ) -> None:
        """Build the layers.

        Args:
            inputs: Features of x.
            sizes: Of the layers, the last one that of the result.
            bias: Whether layers add something.
            last_silu: Whether f ends in SiLU.
        """
        super().__init__()
        self.first = nn.Linear(inputs, 2 * sizes[0], bias=bias)  # f, then g
        pairs = list(itertools.pairwise(sizes))
        self.core = nn.ModuleList(nn.Linear(one, other, bias=bias) for one, other in pairs)
        self.gate = nn.ModuleList(nn.Linear(one, other, bias=bias) for one, other in pairs)
        self.last_silu = last_silu

    def forward(self, x: Tensor) -> Tensor:
        """Apply all layers.

        Args:
            x: ``(rows, inputs)``, dimensionless.

        Returns:
            ``(rows, width)``, dimensionless.
        """
        return self.after_first(self.first(x))

    def after_first(self, values: Tensor) -> Tensor:
        """Apply what follows the first layer.

        Args:
            values: What the first layer gives, ``(rows, 2 · first size)``, dimensionless.

        Returns:
            ``(rows, width)``, dimensionless.
        """
        core, gate = values.chunk(2, dim=1)
        for core_layer, gate_layer in zip(self.core, self.gate, strict=True):
            core = core_layer(functional.silu(core))
            gate = gate_layer(functional.silu(gate))
        return (functional.silu(core) if self.last_silu else core) * torch.sigmoid(gate)


class Interaction(nn.Module):
    """Edges learn from the angles at their atom, then from both atoms, and atoms from the edges."""

    def __init__(self, width: int) -> None:
        """Build the layers.

        Args:
            width: Features of atoms and edges.
        """
        super().__init__()
        angles = DEGREES * RADIAL
        self.mask = nn.Linear(width, angles)
        self.angles = GatedPerceptron(angles, (width,), bias=False)
        self.edges = GatedPerceptron(3 * width, (width, width))
        self.edge_weights = nn.Linear(RADIAL, width, bias=False)
        self.atoms = GatedPerceptron(3 * width, (width, width))
        self.atom_weights = nn.Linear(RADIAL, width, bias=False)

    def forward(
        self,
        atoms: Tensor,
        edges: Tensor,
        geometry: tuple[Tensor, Tensor],
        ends: tuple[Tensor, Segments],
    ) -> tuple[Tensor, Tensor]:
        """Return the new features.

        Args:
            atoms: ``(atoms, width)``, dimensionless.
            edges: ``(edges, width)``, dimensionless.
            geometry: Radial functions of the edges, ``(edges, 4)``, and sums over the angles at
                them, ``(edges, 16)``, Å^(-3/2) both.
            ends: Senders of the edges, ``(edges,)``, dimensionless, and the edges into each atom.
        """
        radial, angles = geometry
        # Equation 3 of M3GNet has the mask of the third atom, k; MatterSim that of the atom at
        # which the angle is, so that it can be taken out of the sum.
        mask = segment_gather(torch.sigmoid(self.mask(atoms)), ends[1])
        edges = edges + self.angles(angles * mask)
        edges = edges + _joined(self.edges, atoms, edges, ends) * self.edge_weights(radial)
        weights = functional.silu(self.atom_weights(radial))
        messages = _joined(self.atoms, atoms, edges, ends) * weights
        return atoms + segment_sum(messages, ends[1]), edges


def _joined(
    layers: GatedPerceptron, atoms: Tensor, edges: Tensor, ends: tuple[Tensor, Segments]
) -> Tensor:
    """Apply a perceptron to the receiver, the sender and the edge, ``(edges, width)``."""
    # The first layer multiplies each atom once, before it is gathered to its many edges.
    received, sent, own = layers.first.weight.chunk(3, dim=1)
    sender, incoming = ends
    return layers.after_first(
        functional.linear(edges, own, layers.first.bias)
        + segment_gather(functional.linear(atoms, received), incoming)
        + functional.linear(atoms, sent).index_select(0, sender)
    )
