"""Sampling within a space group: cells, atoms and steps that keep its symmetry."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from torch import Tensor

from matsciml_core.errors import ConfigError
from matsciml_model_cdvae.lattice import lattice_parameters, lattice_vectors, wrap
from matsciml_model_cdvae.orbits import can_occupy, occupy
from matsciml_model_cdvae.space_groups import space_group

_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Elements of a symmetric matrix, in the order in which they are listed."""


@dataclass(frozen=True, kw_only=True)
class SymmetricCells:
    """Cells of a space group near given ones."""

    parameters: Tensor
    """a, b, c (Å) and α, β, γ (degrees) of the primitive cell, ``(crystals, 6)``."""
    strain: Tensor
    """Length of the strain that leads there, ``(crystals,)``, dimensionless."""


def symmetric_cells(parameters: Tensor, number: int) -> SymmetricCells:
    """Strain cells into those of a space group, each as little as possible.

    The operations map such a cell onto itself. The metric L Lᵀ is averaged over them, in that basis
    of the lattice in which this changes it least; the volume stays.

    Args:
        parameters: a, b, c (Å) and α, β, γ (degrees), ``(crystals, 6)``, of possible cells.
        number: Of the space group.
    """
    cell = lattice_vectors(parameters.to("cpu", torch.float64))
    metric = cell @ cell.transpose(1, 2)
    bases, projectors = _averages(number)
    inverse = torch.linalg.inv(cell)
    best = torch.full((len(cell),), torch.inf, dtype=torch.float64)
    choice = torch.zeros(len(cell), dtype=torch.int64)
    for index, projector in enumerate(projectors):
        change = _matrix(_vector(metric) @ projector.T) - metric
        strain = 0.5 * inverse @ change @ inverse.transpose(1, 2)
        length = torch.linalg.matrix_norm(strain)
        better = length < best
        best, choice = torch.where(better, length, best), torch.where(better, index, choice)
    averaged = _matrix(torch.einsum("kab,kb->ka", projectors[choice], _vector(metric)))
    basis = bases[choice]
    averaged = basis.transpose(1, 2) @ averaged @ basis  # in the basis of the operations
    scale = (torch.linalg.det(metric) / torch.linalg.det(averaged)).pow(1 / 3)
    cells = torch.linalg.cholesky(averaged * scale.view(-1, 1, 1))
    return SymmetricCells(
        parameters=lattice_parameters(cells).to(parameters),
        strain=best.nan_to_num(nan=torch.inf).to(parameters),
    )


@lru_cache(maxsize=16)
def _averages(number: int) -> tuple[Tensor, Tensor]:
    """Return bases of a lattice, and what averaging over a group does to the metric in each.

    Returns:
        ``(bases, 3, 3)``, columns are the group's lattice vectors in those of the cell; and
        ``(bases, 6, 6)``, for the six elements of the metric in the cell's own basis.
    """
    rotations = torch.from_numpy(np.unique(space_group(number).rotations, axis=0)).double()
    matrices = torch.tensor(list(product((-1.0, 0.0, 1.0), repeat=9))).double().view(-1, 3, 3)
    # Right-handed ones: −U does what U does.
    bases = matrices[(torch.linalg.det(matrices) - 1.0).abs() < 0.1]
    # One basis at a time, G → U⁻ᵀ (mean of Wᵀ Uᵀ G U W) U⁻¹, for the six unit metrics.
    units = _matrix(torch.eye(6, dtype=torch.float64))
    averages = torch.zeros(len(bases), 6, 6, dtype=torch.float64)
    inverses = torch.linalg.inv(bases)
    for rotation in rotations:
        turned = (bases @ rotation @ inverses).unsqueeze(1)  # (bases, 1, 3, 3)
        averages += _vector(turned.transpose(2, 3) @ units @ turned).transpose(1, 2)
    averages /= len(rotations)
    # Bases that an operation maps onto each other do the same.
    _, first = np.unique(averages.numpy().round(6).reshape(-1, 36), axis=0, return_index=True)
    chosen = torch.from_numpy(np.sort(first))
    return bases[chosen], averages[chosen]


def _vector(metric: Tensor) -> Tensor:
    """Return the six elements of symmetric matrices, ``(…, 6)``."""
    return torch.stack([metric[..., i, j] for i, j in _PAIRS], dim=-1)


def _matrix(elements: Tensor) -> Tensor:
    """Return the symmetric matrices of six elements, ``(…, 3, 3)``."""
    rows = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]
    return elements[..., torch.tensor(rows)]


def nearest_numbers(number: int, atoms: Tensor, largest: int) -> Tensor:
    """Return the numbers of atoms nearest to given ones that fill whole orbits.

    Args:
        number: Of the space group.
        atoms: ``(crystals,)`` int64, dimensionless.
        largest: Most atoms of a cell.

    Returns:
        ``(crystals,)`` int64; 0 stays 0, and so does all where no number up to ``largest`` does.
    """
    sizes = [size for size in range(1, largest + 1) if can_occupy(number, (size,))]
    nearest = [
        min(sizes, key=lambda size, goal=goal: abs(size - goal), default=0)
        for goal in range(largest + 1)
    ]
    return torch.tensor([0, *nearest[1:]], device=atoms.device)[atoms]


@dataclass(frozen=True, kw_only=True)
class Symmetry:
    """Atoms of a batch as orbits of a space group: x = x₁ Wᵀ + w, where x₁ is the first of each."""

    orbit: Tensor
    """The orbit of each atom, ``(atoms,)`` int64."""
    crystals: tuple[int, ...]
    """The crystal of each orbit."""
    kinds: tuple[int, ...]
    """Which of the crystal's species each orbit has, by index."""
    first: Tensor
    """The first atom of each orbit, ``(orbits,)`` int64."""
    rotations: Tensor
    """W, ``(atoms, 3, 3)``, for fractional coordinates."""
    translations: Tensor
    """w, ``(atoms, 3)``, in lattice vectors."""
    base: Tensor
    """A point of each orbit's position, ``(orbits, 3)``, in lattice vectors."""
    directions: Tensor
    """Projector onto its free directions, ``(orbits, 3, 3)``, for fractional coordinates."""
    turns: Tensor
    """Cartesian rotation from the first atom of the orbit to each, ``(atoms, 3, 3)``, for rows."""
    free: Tensor
    """Cartesian projector onto the free directions, ``(orbits, 3, 3)``."""

    @classmethod
    def of(
        cls, number: int, cell: Tensor, counts: list[list[int]], generator: torch.Generator
    ) -> Symmetry:
        """Choose the positions of atoms at random.

        Args:
            number: Of the space group.
            cell: Lattice vectors of its primitive cell as rows, ``(crystals, 3, 3)``, Å.
            counts: For each crystal the atoms of each species.
            generator: Source of random numbers, on the CPU.
        """
        positions = space_group(number).positions
        occupied, kinds, crystals = [], [], []
        for index, each in enumerate(counts):
            for kind, position in occupy(number, each, generator):
                occupied.append(positions[position])
                kinds.append(kind)
                crystals.append(index)
        sizes = torch.tensor([position.multiplicity for position in occupied])
        orbit = torch.repeat_interleave(sizes).to(cell.device)
        first = (sizes.cumsum(0) - sizes).to(cell.device)
        rotations = torch.from_numpy(np.concatenate([p.rotations for p in occupied])).to(cell)
        directions = torch.from_numpy(np.stack([p.directions for p in occupied])).to(cell)
        # Rows of fractional coordinates are multiplied by Wᵀ, Cartesian ones by L⁻¹ Wᵀ L.
        home = cell[torch.tensor(crystals, device=cell.device)]  # (orbits, 3, 3)
        free = torch.linalg.inv(home) @ directions.transpose(1, 2) @ home
        lattice = home[orbit]
        turns = torch.linalg.inv(lattice) @ rotations.transpose(1, 2) @ lattice
        return cls(
            orbit=orbit,
            crystals=tuple(crystals),
            kinds=tuple(kinds),
            first=first,
            rotations=rotations,
            translations=torch.from_numpy(np.concatenate([p.translations for p in occupied])).to(
                cell
            ),
            base=torch.from_numpy(np.stack([p.base for p in occupied])).to(cell),
            directions=directions,
            turns=turns,
            free=free,
        )

    def start(self, fractional: Tensor) -> Tensor:
        """Move the first atom of each orbit onto its position, and return the orbits.

        Args:
            fractional: ``(atoms, 3)``, in units of the lattice vectors; those of the first
                atoms count.

        Returns:
            ``(atoms, 3)``, in lattice vectors, wrapped.
        """
        from_base = (fractional[self.first] - self.base).unsqueeze(2)
        points = self.base + torch.bmm(self.directions, from_base).squeeze(2)  # (orbits, 3)
        return self._images(points)

    def follow(self, fractional: Tensor) -> Tensor:
        """Return the orbits of the first atoms, so that rounding separates none from its images.

        Args:
            fractional: ``(atoms, 3)``, in units of the lattice vectors; those of the first
                atoms count.

        Returns:
            ``(atoms, 3)``, in lattice vectors, wrapped.
        """
        # Not moved onto its position again: wrapped, it may lie a lattice vector beside it, which
        # changes nothing about the orbit, but would be taken for a miss.
        return self._images(fractional[self.first])

    def project(
        self, scores: Tensor, noise: Tensor, logits: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what moves the atoms of an orbit alike, and leaves them on their positions.

        An orbit is sampled as one atom: its score is the mean of those of its atoms, each turned
        back to the first, and its noise is that of the first, of the size the decoder has learnt.

        Args:
            scores: Cartesian, ``(atoms, 3)``, dimensionless.
            noise: Cartesian, ``(atoms, 3)``, dimensionless.
            logits: Of the species, ``(atoms, species)``, dimensionless.
        """
        back = torch.bmm(scores.unsqueeze(1), self.turns.transpose(1, 2)).squeeze(1)
        return (
            self._spread(self._mean(back)),
            self._spread(noise[self.first]),
            self._mean(logits)[self.orbit],
        )

    def _images(self, points: Tensor) -> Tensor:
        images = torch.bmm(self.rotations, points[self.orbit].unsqueeze(2)).squeeze(2)
        return wrap(images + self.translations)

    def _mean(self, values: Tensor) -> Tensor:
        """Average over orbits, ``(orbits, width)``."""
        sums = values.new_zeros(len(self.first), values.shape[1]).index_add(0, self.orbit, values)
        return sums / torch.bincount(self.orbit, minlength=len(self.first)).unsqueeze(1)

    def _spread(self, vectors: Tensor) -> Tensor:
        """Keep what lies along free directions, ``(orbits, 3)``, and turn it to all atoms."""
        along = torch.bmm(vectors.unsqueeze(1), self.free)  # (orbits, 1, 3)
        return torch.bmm(along[self.orbit], self.turns).squeeze(1)

    def share_out(self, species: Tensor, atoms_per_crystal: Tensor) -> Tensor:
        """Give each orbit one species, such that the composition stays as near as it can.

        Args:
            species: A sampled composition, ``(atoms,)`` int64, dimensionless, crystal after
                crystal, on the CPU.
            atoms_per_crystal: ``(crystals,)`` int64, dimensionless, on the CPU.

        Returns:
            ``(atoms,)`` int64.
        """
        sizes = torch.bincount(self.orbit).tolist()
        left = [Counter(each.tolist()) for each in species.split(atoms_per_crystal.tolist())]
        chosen = [0] * len(sizes)
        # The largest orbits first, while there is most to choose from.
        for orbit in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
            counts = left[self.crystals[orbit]]
            chosen[orbit] = max(counts, key=counts.__getitem__)
            counts[chosen[orbit]] -= sizes[orbit]
        return torch.tensor(chosen)[self.orbit.cpu()]


def arrange(
    number: int,
    cell: Tensor,
    species: Tensor,
    atoms_per_crystal: Tensor,
    generator: torch.Generator,
    *,
    fixed: bool,
) -> tuple[Symmetry, Tensor]:
    """Put the atoms of crystals on orbits of a space group.

    Args:
        number: Of the space group.
        cell: Lattice vectors of its primitive cell as rows, ``(crystals, 3, 3)``, Å.
        species: ``(atoms,)`` int64, dimensionless, crystal after crystal, on the CPU.
        atoms_per_crystal: ``(crystals,)`` int64, dimensionless, on the CPU.
        generator: Source of random numbers, on the CPU.
        fixed: Whether the composition is kept; else orbits have the species that come nearest.

    Returns:
        The orbits; and the species of their atoms, ``(atoms,)`` int64, on the CPU.

    Raises:
        ConfigError: The atoms do not fill whole orbits.
    """
    each = [
        sorted(Counter(one.tolist()).items()) for one in species.split(atoms_per_crystal.tolist())
    ]
    if not fixed:
        each = [[(0, sum(count for _, count in one))] for one in each]
    counts = [[count for _, count in one] for one in each]
    for one in counts:
        if not can_occupy(number, one):
            raise ConfigError(
                f"{' + '.join(map(str, one))} atoms fill no whole orbits of the space group "
                f"{number}; choose another composition or another group."
            )
    symmetry = Symmetry.of(number, cell, counts, generator)
    if not fixed:
        return symmetry, symmetry.share_out(species, atoms_per_crystal)
    kinds = [each[k][kind][0] for k, kind in zip(symmetry.crystals, symmetry.kinds, strict=True)]
    return symmetry, torch.tensor(kinds)[symmetry.orbit.cpu()]
