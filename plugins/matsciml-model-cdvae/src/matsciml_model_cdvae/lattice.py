"""Lattices: from six parameters to three vectors and back, wrapping, and nearest images."""

from __future__ import annotations

import torch
from torch import Tensor

IMAGES = torch.cartesian_prod(*[torch.arange(-1, 2)] * 3)
"""The 27 images around a cell, ``(27, 3)``, in lattice vectors."""


def lattice_parameters(cell: Tensor) -> Tensor:
    """Return a, b, c (Å) and α, β, γ (degrees).

    Args:
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.

    Returns:
        ``(crystals, 6)``.
    """
    lengths = torch.linalg.vector_norm(cell, dim=2)
    unit = cell / lengths.unsqueeze(2)
    cosines = (unit[:, [1, 2, 0]] * unit[:, [2, 0, 1]]).sum(2)  # of α, β, γ
    return torch.cat((lengths, torch.rad2deg(torch.acos(cosines.clamp(-1.0, 1.0)))), dim=1)


def lattice_vectors(parameters: Tensor) -> Tensor:
    """Return lattice vectors with c along z and a in the plane of x and z.

    Args:
        parameters: a, b, c (Å) and α, β, γ (degrees), ``(crystals, 6)``.

    Returns:
        ``(crystals, 3, 3)``, Å. Angles that span no cell give one without volume.
    """
    lengths, angles = parameters[:, :3], torch.deg2rad(parameters[:, 3:])
    (cos_a, cos_b, cos_c), (sin_a, sin_b, _) = angles.cos().T, angles.sin().T
    cosine = ((cos_a * cos_b - cos_c) / (sin_a * sin_b)).clamp(-1.0, 1.0)
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    unit = torch.stack(
        (
            torch.stack((sin_b, zero, cos_b), dim=1),
            torch.stack((-sin_a * cosine, sin_a * (1.0 - cosine.square()).sqrt(), cos_a), dim=1),
            torch.stack((zero, zero, one), dim=1),
        ),
        dim=1,
    )
    return lengths.unsqueeze(2) * unit


def heights(cell: Tensor) -> Tensor:
    """Return the distances between opposite faces of cells.

    Args:
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.

    Returns:
        ``(crystals, 3)``, Å; zero for a cell without volume.
    """
    normals = torch.stack(
        [torch.linalg.cross(cell[:, i], cell[:, j]) for i, j in ((1, 2), (2, 0), (0, 1))], dim=1
    )
    volume = (cell[:, 0] * normals[:, 0]).sum(1, keepdim=True).abs()
    # A cell without volume may have faces without area; 0/0 would be NaN, which passes no check.
    distances: Tensor = volume / torch.linalg.vector_norm(normals, dim=2).clamp(min=1e-30)
    return distances


def to_cartesian(fractional: Tensor, cell: Tensor, crystal_index: Tensor) -> Tensor:
    """Return Cartesian coordinates, Å.

    Args:
        fractional: ``(atoms, 3)``, in units of lattice vectors.
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        crystal_index: The crystal of each atom, ``(atoms,)`` int64, dimensionless.
    """
    return torch.bmm(fractional.unsqueeze(1), cell.index_select(0, crystal_index)).squeeze(1)


def to_fractional(positions: Tensor, cell: Tensor, crystal_index: Tensor) -> Tensor:
    """Return coordinates in lattice vectors, wrapped into [0, 1).

    Args:
        positions: Cartesian, ``(atoms, 3)``, Å.
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        crystal_index: The crystal of each atom, ``(atoms,)`` int64, dimensionless.
    """
    return wrap(to_cartesian(positions, torch.linalg.inv(cell), crystal_index))


def wrap(fractional: Tensor) -> Tensor:
    """Return coordinates in [0, 1) lattice vectors.

    Args:
        fractional: ``(atoms, 3)``, in units of lattice vectors.
    """
    wrapped = fractional - fractional.floor()
    return torch.where(wrapped >= 1.0, 0.0, wrapped)  # a tiny negative number gives 1


def nearest_image(vectors: Tensor, cell: Tensor, crystal_index: Tensor) -> Tensor:
    """Return the shortest of 27 images of vectors between two atoms in the home cell.

    Args:
        vectors: Differences of wrapped positions, ``(atoms, 3)``, Å.
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        crystal_index: The crystal of each atom, ``(atoms,)`` int64, dimensionless.

    Returns:
        ``(atoms, 3)``, Å.
    """
    # As many images as in the original program.
    shifts = IMAGES.to(cell) @ cell  # (crystals, 27, 3)
    images = vectors.unsqueeze(1) + shifts.index_select(0, crystal_index)
    best = images.square().sum(2).argmin(dim=1)
    return torch.take_along_dim(images, best.view(-1, 1, 1), dim=1).squeeze(1)
