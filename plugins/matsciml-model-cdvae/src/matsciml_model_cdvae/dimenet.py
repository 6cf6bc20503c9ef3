"""DimeNet++: messages on directed edges that see the angles between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_core.nn.radial import BesselBasis
from matsciml_core.nn.segments import Segments, segment_mean, segment_sum
from matsciml_model_cdvae.bases import SphericalRadialBasis, legendre
from matsciml_model_cdvae.config import DimeNetConfig
from matsciml_model_cdvae.layers import Residual, SiLULinear, glorot_orthogonal_, residuals
from matsciml_model_cdvae.triplets import Paths

ELEMENT_ROWS = 119
"""Rows of the table of elements: the row is the atomic number, 1 to 118; row 0 is not used."""
_ANGULAR_GAIN = 0.05
"""Factor of the initial weights of angles. Distances of crystals make their basis about 20 times
larger than the messages, and without it these grow as much with every block."""


@dataclass(frozen=True, kw_only=True)
class EdgeFeatures:
    """Distances, angles and indices of the edges of a batch, as the layers need them."""

    sender: Tensor
    """``(edges,)`` int64."""
    receiver: Tensor
    """``(edges,)`` int64."""
    incoming: Segments
    """The edges that enter each atom."""
    radial: Tensor
    """``(edges, num_radial)``."""
    distances: Tensor
    """R_ln of each edge, ``(edges, num_spherical, num_radial)``."""
    angles: Tensor
    """Y_l of each path k → j → i, zero where there is none,
    ``(atoms, outgoing width, incoming width · num_spherical)``."""
    paths: Paths

    def sum_over_paths(self, messages: Tensor) -> Tensor:
        """Return, for each edge j → i, Σ_k Σ_l Y_l(angle) times the message of k → j.

        Args:
            messages: ``(edges, num_spherical, width)``, dimensionless.

        Returns:
            ``(edges, width)``.
        """
        table = self.paths.incoming.spread(messages).flatten(1, 2)
        return self.paths.outgoing.collect(torch.bmm(self.angles, table))


class DimeNet(nn.Module):
    """DimeNet++ without a read-out: a batch → values of its atoms.

    References:
        Gasteiger, Giri, Margraf, Günnemann, arXiv:2011.14115; Gasteiger, Groß, Günnemann, ICLR
        2020, arXiv:2003.03123. Deviations: angles enter through their cosine, so that energies
        can be differentiated for any angle; a path back to the atom it came from is left out, but
        one to another image of that atom is not (``excluded_paths``).
    """

    def __init__(self, config: DimeNetConfig) -> None:
        """Build the layers."""
        super().__init__()
        self.config = config
        power = config.envelope_exponent + 1  # the paper's p, of an envelope that is divided by x
        self.radial = BesselBasis(config.cutoff, config.num_radial, power)
        self.spherical = SphericalRadialBasis(
            config.num_spherical, config.num_radial, config.cutoff, power
        )
        self.embedding = _EdgeEmbedding(config)
        self.interactions = nn.ModuleList(_Interaction(config) for _ in range(config.num_blocks))
        self.outputs = nn.ModuleList(_Output(config) for _ in range(config.num_blocks + 1))

    def forward(self, batch: CrystalBatch) -> Tensor:
        """Return ``(atoms, embedding_width)``.

        Raises:
            ShapeError: The batch carries no edges.
        """
        edges = self.features(batch)
        messages = self.embedding(batch.atomic_numbers, edges)
        total = self.outputs[0](messages, edges)
        for interaction, output in zip(self.interactions, self.outputs[1:], strict=True):
            messages = interaction(messages, edges)
            total = total + output(messages, edges)
        values: Tensor = total
        return values

    def features(self, batch: CrystalBatch) -> EdgeFeatures:
        """Return distances, angles and indices of the edges of a batch."""
        graph = MessageGraph.of(batch)
        dtype = self.radial.frequencies.dtype
        vectors = batch.edge_vectors()  # (edges, 3), Å
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        directions = (vectors / lengths.unsqueeze(1)).to(dtype)
        ends, shifts = batch.edge_index, batch.cell_shift
        paths = Paths.of(ends, shifts, batch.num_atoms, self.config.excluded_paths)  # type: ignore[arg-type]
        # Rounding may leave a cosine just beyond 1, where Legendre polynomials are as smooth.
        angles = legendre(self.config.num_spherical, paths.cosines(directions)) * paths.allowed
        return EdgeFeatures(
            sender=graph.sender,
            receiver=graph.incoming.index,
            incoming=graph.incoming,
            radial=self.radial(lengths.to(dtype)),
            distances=self.spherical(lengths.to(dtype)),
            # (degrees, atoms, outgoing, incoming) → (atoms, outgoing, incoming * degrees)
            angles=angles.permute(1, 2, 3, 0).flatten(2),
            paths=paths,
        )


class _EdgeEmbedding(nn.Module):
    """silu(W [E(Z_i), E(Z_j), silu(W' e + b')] + b)."""

    def __init__(self, config: DimeNetConfig) -> None:
        super().__init__()
        self.elements = ElementEmbedding(config.hidden, config.elements, rows=ELEMENT_ROWS)
        if self.elements.weight is not None:
            nn.init.uniform_(self.elements.weight, -(3**0.5), 3**0.5)
        self.radial = SiLULinear(config.num_radial, config.hidden)
        self.joined = SiLULinear(3 * config.hidden, config.hidden)

    def forward(self, atomic_numbers: Tensor, edges: EdgeFeatures) -> Tensor:
        """Return the first messages, ``(edges, hidden)``.

        Args:
            atomic_numbers: ``(atoms,)`` int64, dimensionless.
            edges: The edges.

        References:
            Gasteiger, Groß, Günnemann, ICLR 2020, section 5, embedding block.
        """
        elements = self.elements(atomic_numbers)
        ends = elements.index_select(0, edges.receiver), elements.index_select(0, edges.sender)
        joined: Tensor = self.joined(torch.cat((*ends, self.radial(edges.radial)), dim=1))
        return joined


class _Interaction(nn.Module):
    """Messages of k → j, weighted by the angle, are added to that of j → i."""

    def __init__(self, config: DimeNetConfig) -> None:
        super().__init__()
        hidden, narrow, basis = config.hidden, config.triplet_width, config.basis_width
        self.own, self.others = SiLULinear(hidden, hidden), SiLULinear(hidden, hidden)
        self.radial = nn.Sequential(
            nn.Linear(config.num_radial, basis, bias=False), nn.Linear(basis, hidden, bias=False)
        )
        self.angular_in = nn.Linear(config.num_spherical * config.num_radial, basis, bias=False)
        self.angular_out = nn.Linear(basis, narrow, bias=False)
        self.down = nn.Linear(hidden, narrow, bias=False)
        self.up = nn.Linear(narrow, hidden, bias=False)
        self.before_skip = residuals(Residual, hidden, config.before_skip)
        self.skip = SiLULinear(hidden, hidden)
        self.after_skip = residuals(Residual, hidden, config.after_skip)
        for weight in (*self.radial.parameters(), self.angular_in.weight):
            glorot_orthogonal_(weight)
        glorot_orthogonal_(self.angular_out.weight, 2.0 * _ANGULAR_GAIN**2)
        for module in self.modules():
            if isinstance(module, SiLULinear):
                glorot_orthogonal_(module.weight)
                nn.init.zeros_(module.bias)
        glorot_orthogonal_(self.down.weight)
        glorot_orthogonal_(self.up.weight)

    def forward(self, messages: Tensor, edges: EdgeFeatures) -> Tensor:
        """Return the updated messages, ``(edges, hidden)``.

        Args:
            messages: ``(edges, hidden)``, dimensionless.
            edges: The edges.
        """
        others = self.others(messages) * self.radial(edges.radial)
        others = functional.silu(self.down(others))  # (edges, narrow)
        # W₂ W₁ (R Y) splits by degree, and so does not need to be made for every path.
        form = self.angular_in.weight.view(-1, *edges.distances.shape[1:])
        weights = self.angular_out(torch.einsum("eln,oln->elo", edges.distances, form))
        summed = edges.sum_over_paths(others.unsqueeze(1) * weights)
        updated = self.own(messages) + functional.silu(self.up(summed))
        updated = self.skip(self.before_skip(updated)) + messages
        result: Tensor = self.after_skip(updated)
        return result


class _Output(nn.Module):
    """Messages are summed at the atoms they reach, and passed through a perceptron."""

    def __init__(self, config: DimeNetConfig) -> None:
        super().__init__()
        width = config.output_width
        self.radial = nn.Linear(config.num_radial, config.hidden, bias=False)
        self.up = nn.Linear(config.hidden, width)
        self.hidden = nn.Sequential(
            *(SiLULinear(width, width) for _ in range(config.output_layers))
        )
        self.last = nn.Linear(width, config.embedding_width, bias=False)
        glorot_orthogonal_(self.radial.weight)
        glorot_orthogonal_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        for layer in self.hidden:
            glorot_orthogonal_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.last.weight)

    def forward(self, messages: Tensor, edges: EdgeFeatures) -> Tensor:
        """Return values of the atoms, ``(atoms, embedding_width)``.

        Args:
            messages: ``(edges, hidden)``, dimensionless.
            edges: The edges.
        """
        atoms = segment_sum(messages * self.radial(edges.radial), edges.incoming)
        values: Tensor = self.last(self.hidden(self.up(atoms)))
        return values


class DimeNetEncoder(Encoder):
    """DimeNet++ as an encoder of atoms and crystals.

    The atom embedding is the network's output, ``(atoms, embedding_width)``; the crystal embedding
    is its mean over the atoms. The shortest edges into each atom are used; edges of equal length
    are kept or dropped together.
    """

    config: DimeNetConfig
    neighbours: Neighbourhood

    def __init__(self, config: DimeNetConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.
        """
        config = config or DimeNetConfig()
        super().__init__(config)
        self.network = DimeNet(config)
        self.neighbours = Neighbourhood(cutoff=config.cutoff, max_neighbours=config.max_neighbours)
        self.atom_width = self.crystal_width = config.embedding_width

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
        """
        atoms, crystals = self.embed(batch)
        return Embedding(atoms=atoms, crystals=crystals)

    def embed(self, batch: CrystalBatch) -> tuple[Tensor, Tensor]:
        """Return values of the atoms and their mean in each crystal.

        Autocast is switched off: angles from rounded vectors would depend on the orientation.
        """
        with torch.autocast(batch.positions.device.type, enabled=False):
            atoms = self.network(batch)
        segments = Segments(batch.crystal_index, batch.atoms_per_crystal)
        return atoms, segment_mean(atoms, segments)
