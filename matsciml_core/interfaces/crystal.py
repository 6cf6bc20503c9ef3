"""One crystal with its labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matsciml_core.errors import GeometryError, ShapeError


@dataclass(frozen=True, kw_only=True)
class Crystal:
    """One crystal with its labels, as NumPy arrays.

    The constructor accepts anything NumPy can convert and checks shapes and finiteness; it does
    not wrap positions into the cell, because unwrapped positions describe the same crystal.

    Raises:
        ShapeError: An array does not have the shape stated below.
        GeometryError: A coordinate is not finite, the cell has no volume, or an atomic number
            is not between 1 and 118.
    """

    id: str
    """Unique within its dataset."""
    atomic_numbers: NDArray[np.uint8]
    """``(atoms,)``, 1 to 118."""
    positions: NDArray[np.float64]
    """Cartesian coordinates, ``(atoms, 3)``, Å."""
    cell: NDArray[np.float64]
    """Lattice vectors as rows, ``(3, 3)``, Å."""
    pbc: NDArray[np.bool_] = field(default_factory=lambda: np.ones(3, dtype=bool))
    """Periodic directions, ``(3,)``."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """Label values by name, in the unit the dataset declares; an absent label is missing."""
    site_properties: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Whole numbers from 0 to 255 that say what an atom is in its crystal, by name, ``(atoms,)``.
    ``fixed`` is 1 where the atom was held in place, ``held_axes`` says of one that was held along
    some directions along which (see :mod:`matsciml_core.interfaces.held`), ``tags`` is what ASE
    calls so. An absent one is 0 for every atom."""

    def __post_init__(self) -> None:
        """Convert the arrays and check them."""
        numbers = np.asarray(self.atomic_numbers)
        positions = np.asarray(self.positions, dtype=np.float64)
        cell = np.asarray(self.cell, dtype=np.float64)
        pbc = np.asarray(self.pbc, dtype=bool)
        if pbc.shape != (3,):
            pbc = np.broadcast_to(pbc, (3,))  # True stands for all three
        self._check(numbers, positions, cell, pbc)
        site_properties = {
            name: np.asarray(values) for name, values in self.site_properties.items()
        }
        if any(values.shape != numbers.shape for values in site_properties.values()):
            raise ShapeError(
                f"Crystal '{self.id}' has a site property that is not one number per atom; give "
                f"each the shape {numbers.shape}."
            )
        for name, value in (
            ("atomic_numbers", numbers.astype(np.uint8)),
            ("positions", positions),
            ("cell", cell),
            ("pbc", pbc),
            (
                "site_properties",
                {name: values.astype(np.uint8) for name, values in site_properties.items()},
            ),
        ):
            object.__setattr__(self, name, value)

    def _check(
        self,
        numbers: NDArray[Any],
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        pbc: NDArray[np.bool_],
    ) -> None:
        """Reject arrays that do not describe a crystal."""
        if numbers.ndim != 1 or positions.shape != (len(numbers), 3) or cell.shape != (3, 3):
            raise ShapeError(
                f"Crystal '{self.id}' has atomic_numbers {numbers.shape}, positions "
                f"{positions.shape} and cell {cell.shape}; they must be (atoms,), (atoms, 3) "
                "and (3, 3)."
            )
        if not len(numbers) or numbers.min() < 1 or numbers.max() > 118:
            raise GeometryError(
                f"Crystal '{self.id}' needs at least one atom, and atomic numbers from 1 to 118."
            )
        if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
            raise GeometryError(f"Crystal '{self.id}' has a coordinate that is not finite.")
        # 10⁻⁶ Å³ is far below the volume of any atom and far above the rounding of a flat cell. A
        # molecule, which is not periodic, may have a cell of zeros.
        if abs(_determinant(cell)) < 1e-6 and pbc.any():
            raise GeometryError(
                f"Crystal '{self.id}' has a cell without volume; give three independent lattice "
                "vectors as rows, in Å."
            )

    @classmethod
    def from_fractional(
        cls,
        *,
        id: str,
        atomic_numbers: ArrayLike,
        fractional: ArrayLike,
        cell: ArrayLike,
        labels: Mapping[str, Any] | None = None,
    ) -> Self:
        """Build a crystal from fractional coordinates.

        Args:
            id: Unique within its dataset.
            atomic_numbers: ``(atoms,)``, dimensionless.
            fractional: Coordinates in units of the lattice vectors, ``(atoms, 3)``,
                dimensionless.
            cell: Lattice vectors as rows, ``(3, 3)``, Å.
            labels: Label values by name.

        Returns:
            The crystal, with Cartesian positions ``fractional @ cell`` in Å.

        Raises:
            ShapeError: An array has the wrong shape.
            GeometryError: See the class.
        """
        cell_ = np.asarray(cell, dtype=np.float64)
        positions = np.asarray(fractional, dtype=np.float64) @ cell_
        return cls(
            id=id,
            atomic_numbers=np.asarray(atomic_numbers),
            positions=positions,
            cell=cell_,
            labels=labels or {},
        )

    @property
    def num_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atomic_numbers)

    @property
    def volume(self) -> float:
        """Volume of the cell, Å³."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def fractional(self) -> NDArray[np.float64]:
        """Coordinates in units of the lattice vectors, ``(atoms, 3)``, dimensionless."""
        return np.asarray(np.linalg.solve(self.cell.T, self.positions.T).T, dtype=np.float64)


def _determinant(matrix: NDArray[np.float64]) -> float:
    """Return the determinant of 3 x 3 numbers; NumPy's takes ten times as long for so few."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
