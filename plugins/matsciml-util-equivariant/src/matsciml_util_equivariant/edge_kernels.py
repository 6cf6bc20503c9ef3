"""The matrices that carry features along edges, computed once per batch for all layers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import torch
from e3nn import o3
from torch import Tensor

from matsciml_core.nn.segments import Segments


@dataclass(frozen=True)
class Path:
    """One way to couple a neighbour's feature with a spherical harmonic."""

    degree_in: int
    """l of the feature."""
    degree_edge: int
    """l of the spherical harmonic."""
    degree_out: int
    """l of the message."""


Paths = tuple[Path, ...]


@dataclass
class EdgeGeometry:
    """What the layers need to know about the edges, computed once per batch."""

    sender: Tensor
    """Sender atom of each edge, ``(edges,)``."""
    incoming: Segments
    """The edges that enter each atom."""
    harmonics: Tensor
    """Spherical harmonics of the edge directions, degree after degree, ``(edges, (lmax+1)²)``,
    with the mean square one."""
    radial: Tensor
    """Radial basis, ``(edges, functions)``, dimensionless."""
    _kernels: dict[Paths, Tensor] = field(default_factory=dict)

    def kernel(self, paths: Paths) -> Tensor:
        """Return the matrices that carry a neighbour's feature along paths that start alike.

        K[e, (path, m), n] = √(2l+1) Σ_k C(n, k, m) Y_k(e): rows are the components of all
        messages, columns those of the feature. Layers with the same paths share it.

        Args:
            paths: Paths with the same ``degree_in``.

        Returns:
            ``(edges, rows, 2 degree_in + 1)``.
        """
        if paths not in self._kernels:
            width, like = self.harmonics.shape[1], self.harmonics
            couplings = _couplings(paths, width, like.dtype, like.device)
            columns = 2 * paths[0].degree_in + 1
            flat = self.harmonics @ couplings  # (edges, rows * columns)
            rows = couplings.shape[1] // columns
            self._kernels[paths] = flat.view(flat.shape[0], rows, columns)
        return self._kernels[paths]


@cache
def _couplings(paths: Paths, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the coefficients that make a kernel of harmonics, ``(width, rows * columns)``.

    Kept for the life of the process, a few kB; in float64 until the last step.
    """
    # A tensor made in inference mode could not be used in training afterwards.
    with torch.inference_mode(mode=False), torch.no_grad():
        rows = []
        for path in paths:
            coupling = o3.wigner_3j(
                path.degree_in, path.degree_edge, path.degree_out, dtype=torch.float64
            )
            first = path.degree_edge**2
            block = coupling.new_zeros(width, 2 * path.degree_out + 1, 2 * path.degree_in + 1)
            block[first : first + 2 * path.degree_edge + 1] = coupling.permute(1, 2, 0)
            rows.append(math.sqrt(2 * path.degree_out + 1) * block)
        return torch.cat(rows, dim=1).flatten(1).to(dtype=dtype, device=device)
