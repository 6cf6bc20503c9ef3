"""What a label is: kind, shape, unit and extent, declared once for all that handles labels.

A dataset declares its labels as :class:`TargetInfo`. The store, batches, masks, the conformance
kit, predictions and reports take shapes and names of components from there, so that a label of a
new shape needs no code of its own. Nothing here imports NumPy or torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from types import MappingProxyType
from typing import Any, Literal, Self, get_args

from matsciml_core.errors import RegistryError
from matsciml_core.registry.units import canonical_unit

TargetKind = Literal[
    "scalar", "binary", "multiclass", "tensor", "grid", "energy", "forces", "stress", "structure"
]
"""What a label is, mathematically and physically; heads say which kinds they train.

``scalar``: one number per crystal (or per atom). ``binary``, ``multiclass``: a class index.
``tensor``: a Cartesian vector (rank 1), matrix (rank 2) or tensor of higher rank, which turns with
the crystal. ``grid``: numbers on the points of an axis, such as a density of states. ``energy``:
total energy of the cell, eV. ``forces``: −∂E/∂x per atom, eV/Å. ``stress``: 3 x 3, eV/Å³.
``structure``: the crystal itself (generation).
"""

CLASS_KINDS = ("binary", "multiclass")
"""Kinds of label whose values are class indices."""
_AXES = "xyz"
_FIXED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "energy": {"rank": 0, "per_atom": False, "extensive": True},
        "forces": {"rank": 1, "per_atom": True, "extensive": False},
        "stress": {"rank": 2, "per_atom": False, "extensive": False, "symmetric": True},
        "structure": {"rank": 0, "per_atom": False, "extensive": False},
    }
)
"""What follows from a kind that physics defines, so that a declaration need not repeat it."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Equally spaced points of the axis that a label of the kind ``grid`` is sampled on.

    >>> Grid(points=3, start=-5.0, stop=5.0, unit="eV").names
    ('-5 eV', '0 eV', '5 eV')
    """

    points: int
    start: float
    """Coordinate of the first point, in ``unit``."""
    stop: float
    """Coordinate of the last point, in ``unit``."""
    unit: str
    """Canonical unit of the coordinate, see ``matsciml_core.registry.units``."""
    quantity: str = ""
    """What the coordinate is, for example ``energy relative to the Fermi level``."""

    def __post_init__(self) -> None:
        """Check the points and bring the unit into its canonical spelling.

        Raises:
            RegistryError: There is no point, or the coordinates do not ascend.
            UnitError: The unit is unknown.
        """
        if self.points < 1 or (self.points > 1 and not self.start < self.stop):
            raise RegistryError(
                f"A grid of {self.points} points from {self.start:g} to {self.stop:g} is not "
                "possible; give at least one point, and a start below the stop."
            )
        object.__setattr__(self, "unit", canonical_unit(self.unit, label=self.quantity or "grid"))

    @property
    def coordinates(self) -> tuple[float, ...]:
        """Coordinate of each point, in ``unit``."""
        step = (self.stop - self.start) / max(self.points - 1, 1)
        return tuple(self.start + step * index for index in range(self.points))

    @property
    def names(self) -> tuple[str, ...]:
        """Each coordinate with its unit."""
        unit = "" if self.unit == "dimensionless" else f" {self.unit}"
        return tuple(f"{value:.6g}{unit}" for value in self.coordinates)


@dataclass(frozen=True, kw_only=True)
class TargetInfo:
    """A label that a dataset offers.

    ``name``, ``kind`` and ``unit`` are enough for most labels. The kinds ``energy``, ``forces``,
    ``stress`` and ``structure`` set shape and extent themselves.

    >>> TargetInfo(name="dielectric", kind="tensor", rank=2, unit="dimensionless").shape
    (3, 3)
    >>> TargetInfo(name="forces", kind="forces", unit="eV/Å").value_shape(num_atoms=5)
    (5, 3)
    """

    name: str
    kind: TargetKind
    unit: str
    """Canonical unit, see ``matsciml_core.registry.units``; ``class`` for class indices."""
    per_atom: bool = False
    """Whether there is one value per atom rather than one per crystal; of forces it is implied."""
    num_classes: int | None = None
    """Number of classes, for ``multiclass``; class indices run from 0."""
    description: str = ""
    """One sentence: what was computed, how, and what is special about it."""
    rank: int = 0
    """Cartesian rank of a ``tensor``: 1 for a vector, 2 for a 3 x 3 matrix, and so on. Components
    are those along x, y and z of the frame in which the crystal's cell and positions are given."""
    symmetric: bool = False
    """Whether a matrix equals its transpose; of stress it is implied."""
    extensive: bool = False
    """Whether the value grows with the number of cells, as a total energy does; of ``energy`` it
    is implied. A label per atom is neither extensive nor intensive."""
    grid: Grid | None = None
    """The axis of a ``grid``."""

    def __post_init__(self) -> None:
        """Fill in what the kind implies, check the rest, and make the unit canonical.

        Raises:
            RegistryError: Two fields contradict each other.
            UnitError: The unit is unknown.
        """
        if self.kind not in get_args(TargetKind):
            raise RegistryError(
                f"Label '{self.name}' has the kind '{self.kind}'; use one of "
                f"{', '.join(get_args(TargetKind))}."
            )
        object.__setattr__(self, "unit", canonical_unit(self.unit, label=self.name))
        for field, value in _FIXED.get(self.kind, {}).items():
            declared, default = getattr(self, field), getattr(type(self), field)
            if declared not in (default, value):
                raise RegistryError(
                    f"Label '{self.name}' is {self.kind} with {field}={declared}, which {self.kind}"
                    f" never has; leave {field} away, or declare it as scalar or tensor."
                )
            object.__setattr__(self, field, value)
        problem = self._contradiction()
        if problem:
            raise RegistryError(f"Label '{self.name}' {problem}.")

    def _contradiction(self) -> str | None:
        """Return which fields contradict each other, as the end of a sentence."""
        if self.is_class != (self.unit == "class"):
            return (
                f"is {self.kind} with the unit '{self.unit}'; the unit 'class' belongs to binary "
                "and multiclass labels and to no others"
            )
        if self.kind == "multiclass" and not self.num_classes:
            return "is multiclass and needs num_classes"
        if self.kind not in _FIXED and (self.kind == "tensor") != (self.rank > 0):
            return (
                f"is {self.kind} of rank {self.rank}; vectors and matrices have the kind 'tensor' "
                "and rank 1 or more, and other kinds have no rank"
            )
        if self.symmetric and self.rank != 2:
            return f"is symmetric with rank {self.rank}; only a matrix, of rank 2, can be symmetric"
        if (self.kind == "grid") != (self.grid is not None):
            return f"is {self.kind}; the kind 'grid', and no other, needs a grid"
        if self.extensive and (self.per_atom or self.is_class):
            return "is extensive; only a number per crystal can be"
        return None

    @property
    def is_class(self) -> bool:
        """Whether the label is a class index (missing: −1) rather than a number (missing: NaN)."""
        return self.kind in CLASS_KINDS

    @property
    def classes(self) -> int:
        """Number of classes; 0 where the label is a number."""
        return (self.num_classes or 2) if self.is_class else 0

    @property
    def missing(self) -> float:
        """The value that stands for a missing one in a batch: −1 for a class, else NaN."""
        return -1 if self.is_class else math.nan

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one value, of a crystal or of an atom; ``()`` for a single number."""
        return (3,) * self.rank if self.grid is None else (self.grid.points,)

    @property
    def width(self) -> int:
        """Numbers in one value: 1, 3 (a vector), 9 (a matrix), the points of a grid."""
        return math.prod(self.shape)

    def value_shape(self, num_atoms: int) -> tuple[int, ...]:
        """Return the shape of what a crystal with so many atoms has as its label."""
        return (num_atoms, *self.shape) if self.per_atom else self.shape

    @property
    def components(self) -> tuple[str, ...]:
        """Name of each number of a value, row by row; empty for a single number.

        >>> TargetInfo(name="dipole", kind="tensor", rank=1, unit="e·Å").components
        ('x', 'y', 'z')
        """
        if self.grid is not None:
            return self.grid.names
        return tuple(map("".join, product(_AXES, repeat=self.rank))) if self.rank else ()

    @property
    def extent(self) -> Literal["intensive", "extensive", "per atom"]:
        """How the label of a supercell follows from that of the cell."""
        if self.per_atom:
            return "per atom"
        return "extensive" if self.extensive else "intensive"

    @property
    def form(self) -> str:
        """Kind with the number of classes or the shape, for lists.

        >>> TargetInfo(name="born", kind="tensor", rank=2, unit="e", per_atom=True).form
        'tensor, 3 x 3'
        """
        classes = f"{self.num_classes} classes" if self.num_classes else ""
        shape = " x ".join(map(str, self.shape)) if self.kind in ("tensor", "grid") else ""
        return ", ".join(filter(None, (self.kind, classes, shape)))

    def as_data(self) -> dict[str, Any]:
        """Return the declaration as plain data for JSON, without what the kind implies."""
        implied = _FIXED.get(self.kind, {})
        data = asdict(self)
        for name in ("rank", "symmetric", "extensive", "grid"):
            if data[name] == implied.get(name, getattr(type(self), name)):
                del data[name]
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_data` returned.

        Raises:
            RegistryError: The data are no declaration of a label.
            UnitError: The unit is unknown.
        """
        try:
            grid = {"grid": Grid(**data["grid"])} if data.get("grid") else {}
            return cls(**{**data, **grid})
        except (TypeError, AttributeError) as error:
            raise RegistryError(f"This is no declaration of a label ({error}): {data}.") from error
