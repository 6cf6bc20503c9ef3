"""The equivariant convolution: neighbours' features times spherical harmonics, summed.

e3nn's ``TensorProduct`` computes the same; this module exists for two reasons. It is 2.6 times as
fast in training (13,762 edges, 32 features, l ≤ 2, one CPU thread, forward and backward, processor
time on a busy machine: 183 against 481 ms): what depends on the geometry alone is computed once
per batch for all features and layers, and messages stay in the processor's cache. And it keeps the
coupling coefficients in float64: ``TensorProduct`` keeps them in buffers that are rounded to
float32 once and for all when a model is built, which leaves a model in float64 equivariant to 10⁻⁷
only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from e3nn import o3
from torch import Tensor, nn

from matsciml_util_equivariant.edge_kernels import EdgeGeometry, Path, Paths
from matsciml_util_equivariant.message_sums import Messages, coupled_sum


class Convolution(nn.Module):
    """Sum over neighbours of weight · (feature ⊗ spherical harmonic).

    Every path from a kind of feature through a degree of the harmonics to a kind of message has a
    weight per edge and feature (multiplicities are not mixed: e3nn's mode ``uvu``), and messages
    of the same kind that came along different paths are kept side by side. Normalised like e3nn's
    ``TensorProduct`` with ``irrep_normalization="component"``.

    References:
        Batzner et al., Nat. Commun. 13, 2453 (2022), doi:10.1038/s41467-022-29939-5, section
        "Equivariant convolutions and network architecture".
    """

    path_of_row: Tensor
    by_kind: Tensor

    def __init__(self, irreps_in: o3.Irreps, kinds: Sequence[o3.Irrep], lmax: int) -> None:
        """Find the paths.

        Args:
            irreps_in: The atoms' features; every kind with the same multiplicity.
            kinds: The kinds of message that are wanted, in the order of the output.
            lmax: Highest degree of the spherical harmonics.
        """
        super().__init__()
        self.irreps_in = irreps_in
        self.features = int(irreps_in[0].mul)
        arrivals: list[o3.Irrep] = []
        self.paths: list[Paths] = []
        for _, kind in irreps_in:
            found = _paths_from(kind, kinds, lmax)
            self.paths.append(tuple(path for path, _ in found))
            arrivals += [arrival for _, arrival in found]
        self.num_paths = len(arrivals)
        self.kinds = [kind for kind in kinds if kind in arrivals]
        self.irreps_out = o3.Irreps(
            [(self.features * arrivals.count(kind), kind) for kind in self.kinds]
        )
        self._index(arrivals)

    def _index(self, arrivals: Sequence[o3.Irrep]) -> None:
        """Register which path each row of a message belongs to, and how rows are sorted by kind."""
        numbers = [number for number, kind in enumerate(arrivals) for _ in range(kind.dim)]
        order = sorted(range(len(numbers)), key=lambda r: self.kinds.index(arrivals[numbers[r]]))
        self.register_buffer("path_of_row", torch.tensor(numbers), persistent=False)
        self.register_buffer("by_kind", torch.tensor(order), persistent=False)

    @property
    def num_weights(self) -> int:
        """Number of weights per edge."""
        return self.num_paths * self.features

    def forward(self, x: Tensor, hidden: Tensor, weight: Tensor, edges: EdgeGeometry) -> Tensor:
        """Convolve.

        Args:
            x: The atoms' features, ``(atoms, irreps_in.dim)``, dimensionless.
            hidden: Hidden features of the radial network, ``(edges, hidden)``, dimensionless.
            weight: Its last layer, ``(hidden, num_weights)``, path after path, dimensionless.
            edges: The edges.

        Returns:
            Sums over the neighbours of each atom, ``(atoms, irreps_out.dim)``.
        """
        used = [(x, edges.kernel(p)) for x, p in zip(self._split(x), self.paths, strict=True) if p]
        messages = Messages(
            sender=edges.sender,
            incoming=edges.incoming,
            path_of_row=self.path_of_row,
            rows=tuple(kernel.shape[1] for _, kernel in used),
            num_paths=self.num_paths,
            num_features=self.features,
        )
        features, kernels = zip(*used, strict=True)
        total = coupled_sum(features, kernels, hidden, weight, messages)
        return self._join(total.index_select(1, self.by_kind))

    def _split(self, x: Tensor) -> list[Tensor]:
        """Return the features of each kind, components first: ``(atoms, 2l+1, features)``."""
        parts = torch.split(x, [kind.dim for kind in self.irreps_in], dim=1)
        return [
            part.view(-1, self.features, kind.ir.dim).transpose(1, 2).contiguous()
            for part, kind in zip(parts, self.irreps_in, strict=True)
        ]

    def _join(self, rows: Tensor) -> Tensor:
        """Return rows sorted by kind, ``(atoms, rows, features)``, in e3nn's order."""
        counts = [kind.dim // self.features for kind in self.irreps_out]
        parts = [
            part.reshape(-1, kind.mul // self.features, kind.ir.dim, self.features)
            .transpose(2, 3)
            .flatten(1)
            for part, kind in zip(torch.split(rows, counts, dim=1), self.irreps_out, strict=True)
        ]
        return torch.cat(parts, dim=1)


def _paths_from(
    kind: o3.Irrep, kinds: Sequence[o3.Irrep], lmax: int
) -> list[tuple[Path, o3.Irrep]]:
    """Return the paths from one kind of feature, each with the kind of message it ends in."""
    return [
        (Path(kind.l, degree, arrival.l), arrival)
        for degree in range(lmax + 1)
        for arrival in kind * o3.Irrep(degree, (-1) ** degree)
        if arrival in kinds
    ]
