"""GemNet-dT as a decoder: noisy atoms and a latent vector → scores of positions and species."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from matsciml_core.nn.segments import Segments, segment_sum
from matsciml_model_cdvae.bases import GaussianBasis, legendre
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.connect import Edges
from matsciml_model_cdvae.layers import (
    Projection,
    ScaledDense,
    ScaledResidual,
    halve,
    residuals,
    standardised_orthogonal_,
)
from matsciml_model_cdvae.triplets import Slots

NUM_SPECIES = 100
"""Species that can be generated, H to Fm; species s has the atomic number s + 1."""


class _Scales(NamedTuple):
    """Constants that keep the variance of a block's sums, fitted by the authors of GemNet."""

    radial: float
    """s1, of the product with the radial functions."""
    triplets: float
    """s2, of the sum over triplets."""
    atoms: float
    """s3, of the sum over the edges of an atom."""


_BLOCK_SCALES = (
    _Scales(18.873615264892578, 7.996850490570068, 1.220463752746582),
    _Scales(16.10817527770996, 7.614634037017822, 0.9690994620323181),
    _Scales(15.019300460815430, 7.025179862976074, 0.8903237581253052),
)
_OUTPUT_SCALES = (16.161039352416992, 13.54678726196289, 12.754337310791016, 13.484951972961426)
"""s4 of each output block."""
_FITTED_RADIAL = 128
"""Number of radial functions the constants were fitted for."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Lengths, angles and indices of the edges, as the layers need them."""

    edges: Edges
    incoming: Segments
    """The edges of each atom."""
    slots: Slots
    """A table of them."""
    angles: Tensor
    """Y_l between the edges at an atom, zero for an edge with itself,
    ``(atoms, width · num_spherical, width)``."""
    radial_triplet: Tensor
    """``(edges, basis_width)``."""
    radial_atom: Tensor
    """``(edges, basis_width)``."""
    radial_output: Tensor
    """``(edges, basis_width)``."""
    angular: Tensor
    """Weights of the angular functions of each edge, ``(edges, basis_width, num_spherical)``."""

    def sum_over_triplets(self, messages: Tensor) -> Tensor:
        """Return, for each edge c → a, Σ_b Y_l(angle) times the message of b → a.

        Args:
            messages: ``(edges, width)``, dimensionless.

        Returns:
            ``(edges, num_spherical, width)``.
        """
        table = self.slots.spread(messages)  # (atoms, slots, width)
        summed = torch.bmm(self.angles, table)
        return self.slots.collect(summed.view(*table.shape[:2], -1, table.shape[2]))


class GemNetDecoder(nn.Module):
    """GemNet-dT with direct forces, which are read as scores, and without energies.

    References:
        Gasteiger, Becker, Günnemann, NeurIPS 2021, arXiv:2106.08903; with a latent vector, Xie et
        al., ICLR 2022, arXiv:2110.06197. The scale factors are those that the authors fitted, for
        128 radial functions, 6 Å and 50 neighbours. The branch for energies, which CDVAE
        evaluates and does not use, is left out. Sums over triplets are products of dense
        matrices.

    Args:
        config: The head's settings.
        latent_width: Width of the latent vectors.
    """

    def __init__(self, config: CrystalGenerationConfig, latent_width: int) -> None:
        """Build the layers."""
        super().__init__()
        hidden, basis = config.hidden, config.basis_width
        self.degrees = config.num_spherical
        self.radial = GaussianBasis(config.num_radial, config.radius)
        self.elements = nn.Embedding(NUM_SPECIES, hidden)
        nn.init.uniform_(self.elements.weight, -(3**0.5), 3**0.5)
        self.atoms = nn.Linear(hidden + latent_width, hidden)
        self.edges = ScaledDense(2 * hidden + config.num_radial, hidden)
        self.radial_triplet = Projection(config.num_radial, basis)
        self.radial_atom = Projection(config.num_radial, basis)
        self.radial_output = Projection(config.num_radial, basis)
        self.angular = nn.Parameter(torch.empty(config.num_spherical, config.num_radial, basis))
        for weight in self.angular.unbind(0):
            standardised_orthogonal_(weight.data.T)
        # As many functions overlap anywhere, but their weights vary by one over their number.
        factor = math.sqrt(config.num_radial / _FITTED_RADIAL)
        self.blocks = nn.ModuleList(
            _Block(config, _Scales(*(factor * scale for scale in scales)))
            for scales in _BLOCK_SCALES[: config.num_blocks]
        )
        self.outputs = nn.ModuleList(
            _Output(config, factor * scale) for scale in _OUTPUT_SCALES[: config.num_blocks + 1]
        )
        self.species = nn.Linear(hidden, NUM_SPECIES)

    def forward(
        self, species: Tensor, latents: Tensor, crystal_index: Tensor, edges: Edges
    ) -> tuple[Tensor, Tensor]:
        """Score noisy crystals.

        Args:
            species: 0 to 99, ``(atoms,)`` int64, dimensionless.
            latents: ``(crystals, latent_width)``, dimensionless.
            crystal_index: The crystal of each atom, ``(atoms,)`` int64, dimensionless.
            edges: From :meth:`Candidates.connect`.

        Returns:
            The score of the positions times their noise, ``(atoms, 3)``, dimensionless, and
            logits of the species, ``(atoms, 100)``.
        """
        radial = self.radial(edges.lengths)  # (edges, num_radial)
        geometry = self.geometry(edges, radial)
        inputs = torch.cat((self.elements(species), latents.index_select(0, crystal_index)), dim=1)
        atoms = self.atoms(inputs)
        messages = self.edges(_with_ends(atoms, edges, radial))
        forces = self.outputs[0](messages, geometry)
        for block, output in zip(self.blocks, self.outputs[1:], strict=True):
            atoms, messages = block(atoms, messages, geometry)
            forces = forces + output(messages, geometry)
        # GemNet's direct forces: a sum of contributions along the edges, so that the score rotates
        # with the crystal.
        scores = segment_sum(forces * edges.directions, geometry.incoming)
        return scores, self.species(atoms)

    def geometry(self, edges: Edges, radial: Tensor) -> Geometry:
        """Return the geometry of edges, which all blocks share.

        Args:
            edges: The edges.
            radial: Radial basis of their lengths, ``(edges, num_radial)``, dimensionless.
        """
        slots = Slots.of(edges.receiver, edges.num_atoms)
        counts = edges.receiver.new_zeros(edges.num_atoms)
        counts.index_add_(0, edges.receiver, torch.ones_like(edges.receiver))
        table = slots.spread(edges.directions)  # (atoms, slots, 3)
        filled = slots.filled
        real = filled.unsqueeze(1) & filled.unsqueeze(2)
        # An edge makes no angle with itself.
        real = real & ~torch.eye(slots.width, dtype=torch.bool, device=radial.device)
        angles = legendre(self.degrees, torch.bmm(table, table.transpose(1, 2))) * real
        return Geometry(
            edges=edges,
            incoming=Segments(edges.receiver, counts),
            slots=slots,
            # (degrees, atoms, slots, slots) → (atoms, slots * degrees, slots)
            angles=angles.permute(1, 2, 0, 3).flatten(1, 2),
            radial_triplet=self.radial_triplet(radial),
            radial_atom=self.radial_atom(radial),
            radial_output=self.radial_output(radial),
            angular=torch.einsum("er,lri->eil", radial, self.angular),
        )


def _with_ends(atoms: Tensor, edges: Edges, values: Tensor) -> Tensor:
    """Return [h_sender, h_receiver, values] of each edge."""
    ends = atoms.index_select(0, edges.sender), atoms.index_select(0, edges.receiver)
    return torch.cat((*ends, values), dim=1)


class _Triplets(nn.Module):
    """Messages of b → a, with the angle to c → a, are collected for c → a and its mirror edge."""

    def __init__(self, config: CrystalGenerationConfig, scales: _Scales) -> None:
        super().__init__()
        hidden, narrow, basis = config.hidden, config.triplet_width, config.basis_width
        self.scales = scales
        self.messages = ScaledDense(hidden, hidden)
        self.radial = Projection(basis, hidden)
        self.down = ScaledDense(hidden, narrow)
        self.bilinear = nn.Parameter(torch.empty(narrow, basis, narrow))
        standardised_orthogonal_(self.bilinear.data)
        self.up, self.up_mirror = ScaledDense(narrow, hidden), ScaledDense(narrow, hidden)

    def forward(self, messages: Tensor, geometry: Geometry) -> Tensor:
        """Return the updates of the messages by triplets, ``(edges, hidden)``.

        Args:
            messages: ``(edges, hidden)``, dimensionless.
            geometry: Geometry of the edges.
        """
        weights = self.radial(geometry.radial_triplet) * self.scales.radial
        narrow = self.down(self.messages(messages) * weights)
        summed = geometry.sum_over_triplets(narrow)  # (edges, degrees, narrow)
        # The weights of the angular functions belong to c → a, so that they are applied once per
        # edge, after the sum over b (GemNet's efficient bilinear layer).
        mixed = torch.bmm(geometry.angular, summed)  # (edges, basis, narrow)
        form = self.bilinear.transpose(0, 1).flatten(0, 1)  # (basis * narrow, narrow)
        joined = (mixed.flatten(1) @ form) * self.scales.triplets
        mirrored = self.up_mirror(joined).index_select(0, geometry.edges.mirror)
        return halve(self.up(joined) + mirrored)


class _Block(nn.Module):
    """One round of messages: over triplets, to the atoms, and back to the edges."""

    def __init__(self, config: CrystalGenerationConfig, scales: _Scales) -> None:
        super().__init__()
        hidden = config.hidden
        self.scales = scales
        self.own = ScaledDense(hidden, hidden)
        self.triplets = _Triplets(config, scales)
        self.before_skip = ScaledResidual(hidden)
        self.after_skip = residuals(ScaledResidual, hidden, 2)
        self.radial = Projection(config.basis_width, hidden)
        self.to_atoms = nn.Sequential(
            ScaledDense(hidden, hidden), residuals(ScaledResidual, hidden, 3)
        )
        self.to_edges = nn.Sequential(ScaledDense(3 * hidden, hidden), ScaledResidual(hidden))

    def forward(self, atoms: Tensor, messages: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Return updated atoms ``(atoms, hidden)`` and messages ``(edges, hidden)``.

        Args:
            atoms: ``(atoms, hidden)``, dimensionless.
            messages: ``(edges, hidden)``, dimensionless.
            geometry: Geometry of the edges.
        """
        update = halve(self.own(messages) + self.triplets(messages, geometry))
        messages = self.after_skip(halve(messages + self.before_skip(update)))
        weighted = messages * self.radial(geometry.radial_atom)
        summed = segment_sum(weighted, geometry.incoming) * self.scales.atoms
        atoms = halve(atoms + self.to_atoms(summed))
        update = self.to_edges(_with_ends(atoms, geometry.edges, messages))
        return atoms, halve(messages + update)


class _Output(nn.Module):
    """Reads the force along each edge from its message."""

    def __init__(self, config: CrystalGenerationConfig, scale: float) -> None:
        super().__init__()
        hidden = config.hidden
        self.scale = scale
        self.messages = nn.Sequential(
            ScaledDense(hidden, hidden), residuals(ScaledResidual, hidden, 3)
        )
        self.radial = Projection(config.basis_width, hidden)
        self.force = Projection(hidden, 1)
        nn.init.zeros_(self.force.weight)  # untrained, the score is zero

    def forward(self, messages: Tensor, geometry: Geometry) -> Tensor:
        """Return the force along each edge, ``(edges, 1)``.

        Args:
            messages: ``(edges, hidden)``, dimensionless.
            geometry: Geometry of the edges.
        """
        weights = self.radial(geometry.radial_output) * self.scale
        force: Tensor = self.force(self.messages(messages) * weights)  # (edges, 1)
        return force
