"""Which atoms of a crystal are images of one another under its space group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST_VOLUME = 1e-6
"""Å³; below it there is no cell, as in :class:`~matsciml_core.interfaces.crystal.Crystal`."""


@dataclass(frozen=True)
class Orbits:
    """The symmetry of one crystal: for each atom the one that stands for it, and how.

    Atoms that a space-group operation maps onto each other have the same surroundings, so every
    invariant feature of one is that of the other. One atom of each such orbit, the one that comes
    first, represents it.
    """

    representative: NDArray[np.integer[Any]]
    """Index of the representative within the crystal, ``(atoms,)``; its own for itself."""
    rotation: NDArray[np.int8]
    """The operation's matrix W in lattice coordinates, ``(atoms, 3, 3)``: a displacement f
    (fractional, as a column) of the representative is the displacement W f of this atom."""
    site_sum: NDArray[np.int16]
    """For a representative the sum of the matrices W of the operations that leave it where it is,
    ``(atoms, 3, 3)``; divided by their number it projects displacements onto those that keep the
    symmetry. Of no meaning for other atoms."""
    site_order: NDArray[np.integer[Any]]
    """Number of those operations, at least 1, ``(atoms,)``."""

    @classmethod
    def trivial(cls, atoms: int) -> Self:
        """Return the orbits of a crystal in which no two atoms are equivalent."""
        identity = np.broadcast_to(np.eye(3, dtype=np.int16), (atoms, 3, 3))
        ones = np.ones(atoms, dtype=np.int16)
        return cls(np.arange(atoms), identity.astype(np.int8), identity, ones)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put the orbits of several crystals side by side; indices count on through all of them."""
        counts = np.array([len(part.representative) for part in parts])
        first = (counts.cumsum() - counts).repeat(counts)
        return cls(
            np.concatenate([part.representative for part in parts]) + first,
            np.concatenate([part.rotation for part in parts]),
            np.concatenate([part.site_sum for part in parts]),
            np.concatenate([part.site_order for part in parts]),
        )


@dataclass(frozen=True, kw_only=True)
class AsymmetricUnit:
    """The symmetry-distinct atoms of a batch, and what each of them stands for.

    A batch that has one carries only the edges that enter distinct atoms; all its other tensors
    describe the whole crystals. :class:`~matsciml_core.nn.message_graph.MessageGraph` turns it
    into what an encoder needs.
    """

    atoms: Tensor
    """The distinct atoms, as rows of the batch, ``(distinct,)`` int64, ascending."""
    distinct: Tensor
    """The distinct atom that represents each atom, ``(atoms,)`` int64, in [0, distinct)."""
    multiplicity: Tensor
    """Number of atoms that each distinct atom represents, ``(distinct,)``, floating point."""
    atoms_per_crystal: Tensor
    """Number of distinct atoms of each crystal, ``(crystals,)`` int64."""
    rotation: Tensor
    """Carries Cartesian vectors (as rows, v @ rotation) from the representative to each atom,
    ``(atoms, 3, 3)``, dimensionless."""
    site: Tensor
    """Projects Cartesian vectors (as rows, v @ site) of each distinct atom onto those that its
    surroundings allow, which its site symmetry leaves as they are, ``(distinct, 3, 3)``."""
    edge_multiplicity: Tensor | None = None
    """Number of edges that each edge stands for, ``(edges,)``, floating point; None: one each."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the asymmetric unit with a function applied to each tensor."""
        tensors = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(
            self,
            **{name: function(value) for name, value in tensors.items() if value is not None},
        )

    def select(self, atoms: Tensor, crystals: Tensor) -> Self:
        """Return the asymmetric unit of some crystals, without edges.

        Args:
            atoms: Whether each atom belongs to one of them, ``(atoms,)`` bool, dimensionless.
            crystals: Indices of the crystals, ascending, ``(selected,)`` int64, dimensionless.
        """
        nodes = atoms[self.atoms]
        return replace(
            self,
            atoms=(torch.cumsum(atoms, 0) - 1)[self.atoms[nodes]],
            distinct=(torch.cumsum(nodes, 0) - 1)[self.distinct[atoms]],
            multiplicity=self.multiplicity[nodes],
            atoms_per_crystal=self.atoms_per_crystal[crystals],
            rotation=self.rotation[atoms],
            site=self.site[nodes],
            edge_multiplicity=None,
        )

    @classmethod
    def from_orbits(
        cls, orbits: Orbits, cell: Tensor, crystal_index: Tensor, atoms_per_crystal: Tensor
    ) -> Self:
        """Turn orbits into what encoders need.

        Args:
            orbits: Of all crystals of the batch, side by side.
            cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
            crystal_index: The crystal of each atom, ``(atoms,)`` int64, dimensionless.
            atoms_per_crystal: ``(crystals,)`` int64, dimensionless.
        """
        rows = torch.from_numpy(orbits.representative.astype(np.int64))
        index = torch.arange(len(rows))
        is_representative = rows == index
        atoms = index[is_representative]
        distinct = (torch.cumsum(is_representative, 0) - 1)[rows]
        crystals = atoms_per_crystal.shape[0]
        # The mean over a group of its matrices projects onto what all of them leave as it is.
        site = orbits.site_sum[atoms.numpy()] / orbits.site_order[atoms.numpy(), None, None]
        lattice, inverse = _lattices(cell)
        nodes = crystal_index[atoms]
        return cls(
            atoms=atoms,
            distinct=distinct,
            multiplicity=torch.bincount(distinct, minlength=len(atoms)).to(cell.dtype),
            atoms_per_crystal=torch.bincount(nodes, minlength=crystals),
            rotation=_cartesian(orbits.rotation, lattice, inverse, crystal_index).to(cell.dtype),
            site=_cartesian(site, lattice, inverse, nodes).to(cell.dtype),
        )


def _lattices(cell: Tensor) -> tuple[Tensor, Tensor]:
    """Return lattice vectors and their inverse, ``(crystals, 3, 3)`` float64, Å and 1/Å.

    In double precision: whole numbers turned into rotations must be orthogonal to rounding. A
    molecule has no cell, and no operation but the identity, which any lattice leaves as it is: it
    gets unit vectors.
    """
    lattice = cell.to(torch.float64)
    flat = torch.linalg.det(lattice).abs() < SMALLEST_VOLUME
    lattice = torch.where(flat.view(-1, 1, 1), torch.eye(3, dtype=torch.float64), lattice)
    return lattice, torch.linalg.inv(lattice)


def _cartesian(
    matrix: NDArray[Any], lattice: Tensor, inverse: Tensor, crystal_index: Tensor
) -> Tensor:
    """Return L⁻¹ Wᵀ L of each atom: rows r = f L and f' = f Wᵀ give r' = r L⁻¹ Wᵀ L."""
    middle = torch.from_numpy(matrix.astype(np.float64)).transpose(1, 2)
    return inverse[crystal_index] @ middle @ lattice[crystal_index]
