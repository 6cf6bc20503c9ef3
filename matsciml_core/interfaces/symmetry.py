"""Which atoms of a crystal are images of one another under its space group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Orbits:
    """The symmetry of one crystal: for each atom the one that stands for it, and how.

    Atoms that a space-group operation maps onto each other have the same surroundings, so every
    invariant feature of one is that of the other. One atom of each such orbit, the one that comes
    first, represents it.
    """

    representative: NDArray[np.integer[Any]]
    """Place of the representative within the crystal, ``(atoms,)``; its own for itself."""
    rotation: NDArray[np.int8]
    """The operation's matrix W in lattice coordinates, ``(atoms, 3, 3)``: a displacement f
    (fractional, as a column) of the representative is the displacement W f of this atom."""

    @classmethod
    def trivial(cls, atoms: int) -> Self:
        """Return the orbits of a crystal in which no two atoms are equivalent."""
        identity = np.eye(3, dtype=np.int8)
        return cls(np.arange(atoms), np.broadcast_to(identity, (atoms, 3, 3)))


@dataclass(frozen=True, kw_only=True)
class AsymmetricUnit:
    """The symmetry-distinct atoms of a batch, and what each of them stands for.

    A batch that has one carries only the edges that enter distinct atoms; all its other tensors
    describe the whole crystals. :class:`~matsciml_core.interfaces.graph.MessageGraph` turns it
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
    edge_multiplicity: Tensor | None = None
    """Number of edges that each edge stands for, ``(edges,)``, floating point; None: one each."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the asymmetric unit with a function applied to each tensor."""
        tensors = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(
            self,
            **{name: function(value) for name, value in tensors.items() if value is not None},
        )

    @classmethod
    def from_orbits(
        cls,
        representative: NDArray[np.integer[Any]],
        rotation: NDArray[np.int8],
        cell: Tensor,
        crystal_index: Tensor,
        atoms_per_crystal: Tensor,
    ) -> Self:
        """Put the orbits of several crystals side by side.

        Args:
            representative: Row of each atom's representative in the batch, ``(atoms,)``.
            rotation: In lattice coordinates, see :class:`Orbits`, ``(atoms, 3, 3)``.
            cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
            crystal_index: The crystal of each atom, ``(atoms,)``.
            atoms_per_crystal: ``(crystals,)``.
        """
        rows = torch.from_numpy(np.ascontiguousarray(representative, dtype=np.int64))
        places = torch.arange(len(rows))
        first = rows == places
        atoms = places[first]
        distinct = (torch.cumsum(first, 0) - 1)[rows]
        crystals = atoms_per_crystal.shape[0]
        return cls(
            atoms=atoms,
            distinct=distinct,
            multiplicity=torch.bincount(distinct, minlength=len(atoms)).to(cell.dtype),
            atoms_per_crystal=torch.bincount(crystal_index[atoms], minlength=crystals),
            rotation=_cartesian(torch.from_numpy(rotation.copy()), cell, crystal_index),
        )


def _cartesian(rotation: Tensor, cell: Tensor, crystal_index: Tensor) -> Tensor:
    """Return L⁻¹ Wᵀ L of each atom: rows r = f L and f' = f Wᵀ give r' = r L⁻¹ Wᵀ L."""
    inverse = torch.linalg.inv(cell.to(torch.float64))
    middle = rotation.to(torch.float64).transpose(1, 2)
    result = inverse[crystal_index] @ middle @ cell.to(torch.float64)[crystal_index]
    return result.to(cell.dtype)  # type: ignore[no-any-return]
