"""NequIP as a MatSciML encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Encoder, MessageGraph, Neighbourhood, TensorEmbedding
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_core.nn.radial import BesselBasis
from matsciml_core.nn.segments import Segments, segment_mean
from matsciml_model_nequip.config import NequIPConfig
from matsciml_model_nequip.interaction import SCALAR, Interaction
from matsciml_util_equivariant.edge_kernels import EdgeGeometry

VECTOR, MATRIX = o3.Irrep("1o"), o3.Irrep("2e")
"""Kinds of feature that are Cartesian vectors, and symmetric matrices without trace."""
ELEMENT_ROWS = 119
"""Rows of the element tables: the row is the atomic number, 1 to 118; row 0 is not used."""


@dataclass(frozen=True, kw_only=True)
class IrrepsFeatures:
    """Features that turn with the crystal, in e3nn's order of components."""

    irreps: o3.Irreps
    """What the columns are: scalars first, then vectors and tensors."""
    atoms: Tensor
    """``(atoms, irreps.dim)``."""
    crystals: Tensor
    """Mean over the atoms, ``(crystals, irreps.dim)``."""


class NequIP(Encoder):
    """NequIP: features are scalars, vectors and tensors; messages are their products.

    The atom embedding is the scalars of the last layer, ``(atoms, embedding_width)``; the crystal
    embedding is their mean over the atoms. Both are invariant, and continuous with continuous
    first and second derivatives when a pair of atoms crosses the cutoff. The vectors and matrices
    of the embedding, of natural parity, turn with the crystal; :meth:`irreps_features` gives all
    features in e3nn's order of components.

    References:
        Batzner et al., Nat. Commun. 13, 2453 (2022), doi:10.1038/s41467-022-29939-5. Deviations:
        features of natural parity only by default; self-connections of low rank in species; the
        last layer's scalars are returned, where the paper makes an energy of each atom of them.
    """

    config: NequIPConfig
    neighbours: Neighbourhood

    def __init__(self, config: NequIPConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.
        """
        config = config or NequIPConfig()
        super().__init__(config)
        self.neighbours = Neighbourhood(cutoff=config.cutoff)
        self.atom_width = self.crystal_width = config.embedding_width
        mode = config.elements
        self.element_embedding = ElementEmbedding(config.num_features, mode, rows=ELEMENT_ROWS)
        self.species_embedding = ElementEmbedding(config.species_width, mode, rows=ELEMENT_ROWS)
        self.harmonics = o3.SphericalHarmonics(
            list(range(config.lmax + 1)), normalize=False, normalization="component"
        )
        self.radial = BesselBasis(
            config.cutoff, config.num_radial, config.envelope_power, normalise=True
        )
        irreps = [o3.Irreps([(config.num_features, SCALAR)])]
        self.layers = nn.ModuleList()
        for number in range(config.num_layers):
            wanted = _features(config, last=number == config.num_layers - 1)
            layer = Interaction(config, irreps[-1], wanted)
            self.layers.append(layer)
            irreps.append(layer.irreps_out)
        self.irreps = irreps[-1] if config.tensor_output else irreps[-1] + _tensors(irreps[-2])
        self.vector_width = self.irreps.count(VECTOR)
        self.matrix_width = self.irreps.count(MATRIX)

    irreps: o3.Irreps
    """What :meth:`irreps_features` returns."""

    def forward(self, batch: CrystalBatch) -> TensorEmbedding:
        """Embed a batch.

        Args:
            batch: Crystals with edges within :attr:`neighbours`.

        Returns:
            The embedding with its vectors and matrices, in the dtype of the parameters; none where
            ``lmax`` is too small for them.

        Raises:
            ShapeError: The batch carries no edges.
        """
        features = self._features_of_atoms(batch)
        scalars = features[:, : self.atom_width]
        basis = o3.wigner_3j(1, 1, 2, dtype=torch.float64, device=features.device)  # (3, 3, 5)
        # √5 gives each of the five matrices the Frobenius norm one.
        basis = (math.sqrt(5) * basis).to(features.dtype)
        tensors = self._of_kind(features, MATRIX)  # (atoms, matrices, 5)
        with self._full_precision():
            matrices = torch.einsum("acm,ijm->acij", tensors, basis)
        return TensorEmbedding(
            atoms=scalars,
            crystals=segment_mean(scalars, _atoms(batch)),
            vectors=self._of_kind(features, VECTOR),
            matrices=matrices,
        )

    def irreps_features(self, batch: CrystalBatch) -> IrrepsFeatures:
        """Return scalars, vectors and tensors, for targets that turn with the crystal.

        The scalars are those of the embedding. The tensors are the last layer's where
        ``tensor_output`` is set, and otherwise those of the layer before, which the scalars are
        made of.

        Args:
            batch: Crystals with edges within :attr:`neighbours`.

        Returns:
            Features of atoms and crystals, with their irreps, which are :attr:`irreps`.

        Raises:
            ShapeError: The batch carries no edges.
        """
        atoms = self._features_of_atoms(batch)
        crystals = segment_mean(atoms, _atoms(batch))
        return IrrepsFeatures(irreps=self.irreps, atoms=atoms, crystals=crystals)

    def _features_of_atoms(self, batch: CrystalBatch) -> Tensor:
        """Return what :attr:`irreps` describes, ``(atoms, irreps.dim)``."""
        with self._full_precision():
            before, last = self._last_two(batch)
        if self.config.tensor_output:
            return last
        # The last layer makes scalars alone, so tensors are those that it was given.
        tensors = before[:, before.shape[1] - (self.irreps.dim - last.shape[1]) :]
        return torch.cat((last, tensors), dim=1)

    def _of_kind(self, features: Tensor, kind: o3.Irrep) -> Tensor:
        """Return the features of one kind, ``(atoms, multiplicity, 2l+1)``."""
        parts = [
            features[:, columns].reshape(len(features), -1, kind.dim)
            for (_, irrep), columns in zip(self.irreps, self.irreps.slices(), strict=True)
            if irrep == kind
        ]
        return torch.cat(parts, dim=1) if parts else features.new_zeros(len(features), 0, kind.dim)

    def _full_precision(self) -> torch.autocast:
        """Switch autocast off: bfloat16 rounds a tensor differently in every orientation."""
        return torch.autocast(next(self.parameters()).device.type, enabled=False)

    def _last_two(self, batch: CrystalBatch) -> tuple[Tensor, Tensor]:
        """Return the features before and after the last layer."""
        edges = self._geometry(batch)
        species = self.species_embedding(batch.atomic_numbers)
        x: Tensor = self.element_embedding(batch.atomic_numbers)
        before = x
        for layer in self.layers:
            before, x = x, layer(x, species, edges)
        return before, x

    def _geometry(self, batch: CrystalBatch) -> EdgeGeometry:
        graph = MessageGraph.of(batch)
        dtype = self.element_embedding.dtype
        vectors = batch.edge_vectors()  # (edges, 3), Å
        distances = torch.linalg.vector_norm(vectors, dim=1)  # (edges,), Å
        directions = vectors / distances.unsqueeze(1)
        return EdgeGeometry(
            sender=graph.sender,
            incoming=graph.incoming,
            harmonics=self.harmonics(directions.to(dtype)),
            radial=self.radial(distances.to(dtype)),
        )


def _atoms(batch: CrystalBatch) -> Segments:
    return Segments(batch.crystal_index, batch.atoms_per_crystal)


def _features(config: NequIPConfig, *, last: bool) -> list[tuple[int, o3.Irrep]]:
    """Return multiplicity and kind of the features that a layer makes, scalars first."""
    scalars = [(config.embedding_width if last else config.num_features, SCALAR)]
    if last and not config.tensor_output:
        return scalars
    # (−1)^l is the parity of what is made of positions, the opposite that of cross products.
    signs = (1, -1) if config.parity == "both" else (1,)
    degrees = range(config.lmax + 1)
    kinds = [o3.Irrep(degree, sign * (-1) ** degree) for degree in degrees for sign in signs]
    return scalars + [(config.num_features, kind) for kind in kinds if kind != SCALAR]


def _tensors(irreps: o3.Irreps) -> o3.Irreps:
    """Return everything behind the scalars, which come first."""
    return o3.Irreps([pair for pair in irreps if pair.ir != SCALAR])
