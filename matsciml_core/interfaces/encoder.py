"""The Encoder interface: a batch of crystals → an embedding of its atoms and crystals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from matsciml_core.interfaces.batch import CrystalBatch

if TYPE_CHECKING:
    from matsciml_core.interfaces.config import Config


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The neighbours an encoder needs, and gets exactly."""

    cutoff: float
    """Longest edge, Å; pairs at this distance or beyond are not connected."""
    max_neighbours: int | None = None
    """Keep at most this many edges into each atom, the shortest ones; None: all.

    Edges of equal length (to 1e-4 Å) are kept or dropped together, so that the choice does not
    break symmetry; an atom may therefore keep a few more than this.
    """
    uses: Literal["edges", "vectors", "lengths"] = "edges"
    """What the encoder makes of an edge, beside the two atoms it connects.

    ``edges``: each one matters by itself, for angles between edges, or for tensors.
    ``vectors``: numbers depend on lengths, and vectors are sums of edge vectors times numbers, as
    in E(n)-equivariant networks. ``lengths``: nothing but the length matters. Where an asymmetric
    unit is used, one edge then stands for all that cannot be told apart in this way.
    """


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """What an encoder returns."""

    atoms: Tensor
    """``(atoms, atom_width)``, dimensionless."""
    crystals: Tensor
    """``(crystals, crystal_width)``, dimensionless."""


@dataclass(frozen=True, kw_only=True)
class TensorEmbedding(Embedding):
    """An embedding that also has features which turn with the crystal.

    For every orthogonal matrix R, reflections included, a crystal with the positions R x and the
    lattice vectors R a has the vectors R v and the matrices R M Rᵀ. They are Cartesian, whatever
    basis the encoder has inside, so that a head needs to know nothing of the encoder.
    """

    vectors: Tensor
    """``(atoms, vector_width, 3)``, dimensionless."""
    matrices: Tensor
    """Symmetric and without trace, ``(atoms, matrix_width, 3, 3)``, dimensionless; symmetric
    because antisymmetric parts are pseudovectors, without trace because traces are scalars."""


class Encoder(nn.Module, ABC):
    """An encoder E: batch → embedding.

    By contract the embedding does not change under translation, rotation, reflection (where the
    spec declares E(3)), a different order of atoms, a different periodic image of any atom, and,
    where declared, a supercell; and a crystal's embedding does not depend on the other crystals
    of its batch. An encoder reads the batch and never writes to it.

    A subclass sets :attr:`atom_width`, :attr:`crystal_width` and :attr:`neighbours` and
    implements ``forward``.
    """

    atom_width: int
    """Width of the atom embedding."""
    crystal_width: int
    """Width of the crystal embedding."""
    vector_width: int = 0
    """Number of vectors of each atom; with this or the next above 0, ``forward`` returns a
    :class:`TensorEmbedding`."""
    matrix_width: int = 0
    """Number of matrices of each atom."""
    neighbours: Neighbourhood | None
    """The neighbourhood the batch must carry; None: no edges are needed."""
    last_layers: tuple[str, ...] = ()
    """Names of the submodules closest to the embedding, which ``init.train=last`` trains; an
    instance may set it. Empty: they cannot be trained alone."""
    needs_whole_crystals: bool = False
    """Whether these settings need every atom, although the spec declares ``asymmetric_unit``."""

    def __init__(self, config: Config | None = None) -> None:
        """Keep the settings; a subclass builds its layers from them."""
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals, with the edges that :attr:`neighbours` asks for.

        Returns:
            The embedding, in the dtype of the parameters.
        """
