"""The interaction of SevenNet, on features that are kept apart by degree.

Features are a tuple of one tensor for each degree l, ``(atoms, 2l+1, width of l)``, dimensionless.
A layer that mixes features of a degree is then a plain matrix product, and nothing is reordered
before or after the sum over edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_model_sevennet.config import SevenNetConfig
from matsciml_util_equivariant.edge_kernels import EdgeGeometry, Path
from matsciml_util_equivariant.message_sums import Messages, coupled_sum

Features = tuple[Tensor, ...]
_SILU_GAIN = 1.68
"""One over the root mean square of silu(x) for x of unit variance."""


class DegreeLinear(nn.Module):
    """A matrix for each degree that arrives and leaves; scalars may get a constant too."""

    def __init__(self, arriving: Sequence[int], leaving: Sequence[int], *, bias: bool) -> None:
        """Start with matrices that keep the variance.

        Args:
            arriving: Width of each degree of the input.
            leaving: Width of each degree of the output; those that do not arrive are zero.
            bias: Whether scalars get a constant.
        """
        super().__init__()
        self.weights = nn.ParameterList(
            torch.randn(first, second) / math.sqrt(first)
            for first, second in zip(arriving, leaving, strict=False)
        )
        # For scalars only: a constant vector would single out a direction.
        self.bias = nn.Parameter(torch.zeros(leaving[0])) if bias else None

    def forward(self, x: Features) -> Features:
        """Return the features of each degree that arrives and leaves."""
        mixed = [part @ weight for part, weight in zip(x, self.weights, strict=False)]
        if self.bias is not None:
            mixed[0] = mixed[0] + self.bias
        return tuple(mixed)


class Convolution(nn.Module):
    """Sum over neighbours of weight · (feature ⊗ spherical harmonic), for all paths to a degree.

    The features and harmonics of all degrees count as even under inversion, so that a vector and
    the direction of an edge make a vector: their cross product. With such paths the network tells
    a crystal from its mirror image.
    """

    def __init__(self, config: SevenNetConfig, arriving: Sequence[int], lmax: int) -> None:
        """Find the paths.

        Args:
            config: The encoder's settings.
            arriving: Width of each degree of the input.
            lmax: Highest degree of the messages.
        """
        super().__init__()
        self.arriving = tuple(arriving)
        self.paths = [
            tuple(
                Path(degree, edge, out)
                for edge in range(len(config.widths))
                for out in range(abs(degree - edge), min(degree + edge, lmax) + 1)
            )
            for degree in range(len(arriving))
        ]
        self.leaving = [
            sum(
                width * sum(path.degree_out == out for path in paths)
                for width, paths in zip(arriving, self.paths, strict=True)
            )
            for out in range(lmax + 1)
        ]
        for degree, paths in enumerate(self.paths):
            rows = [number for number, path in enumerate(paths) for _ in range(_rows(path))]
            self.register_buffer(f"path_of_row_{degree}", torch.tensor(rows), persistent=False)
        self.radial = nn.ModuleList(
            nn.Linear(first, second, bias=False)
            for first, second in pairwise((config.radial_functions, *config.radial_widths))
        )
        self.weight = nn.Parameter(torch.empty(config.radial_widths[-1], sum(self.num_weights)))
        self.scale = 1.0 / config.avg_num_neighbors
        for number, layer in enumerate(self.radial):
            # The radial functions have not passed a silu yet.
            gain = 1.0 if number == 0 else _SILU_GAIN
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))  # type: ignore[arg-type]
        nn.init.normal_(self.weight, std=_SILU_GAIN / math.sqrt(len(self.weight)))

    @property
    def num_weights(self) -> list[int]:
        """Weights per edge for each degree of the input, path after path."""
        return [width * len(paths) for width, paths in zip(self.arriving, self.paths, strict=True)]

    def forward(self, x: Features, edges: EdgeGeometry) -> Features:
        """Return the mean over neighbours of all messages of each degree, path beside path."""
        hidden = edges.radial
        for layer in self.radial:
            hidden = functional.silu(layer(hidden))
        arrived: list[list[Tensor]] = [[] for _ in self.leaving]
        weights = self.weight.split(self.num_weights, dim=1)
        for degree, (part, paths, weight) in enumerate(zip(x, self.paths, weights, strict=True)):
            kernel = edges.kernel(paths)
            messages = Messages(
                sender=edges.sender,
                incoming=edges.incoming,
                path_of_row=self.get_buffer(f"path_of_row_{degree}"),
                rows=(kernel.shape[1],),
                num_paths=len(paths),
                num_features=part.shape[2],
            )
            total = coupled_sum((part,), (kernel,), hidden, self.scale * weight, messages)
            of_paths = total.split([_rows(path) for path in paths], dim=1)
            for path, rows in zip(paths, of_paths, strict=True):
                arrived[path.degree_out].append(rows)
        return tuple(torch.cat(parts, dim=2) for parts in arrived)


class Interaction(nn.Module):
    """x' = gate(W₂ conv(W₁ x) + W₃ x); scalars pass silu, others are multiplied by silu of one."""

    def __init__(
        self, config: SevenNetConfig, arriving: Sequence[int], leaving: Sequence[int]
    ) -> None:
        """Build the layer.

        Args:
            config: The encoder's settings.
            arriving: Width of each degree of the input.
            leaving: Width of each degree of the output.
        """
        super().__init__()
        self.leaving = tuple(leaving)
        gates = (sum(leaving), *leaving[1:])  # a scalar for each feature of higher degree
        bias = config.scalar_bias
        self.mix_neighbours = DegreeLinear(arriving, arriving, bias=bias)
        self.convolution = Convolution(config, arriving, len(leaving) - 1)
        self.mix_messages = DegreeLinear(self.convolution.leaving, gates, bias=bias)
        self.self_connection = DegreeLinear(arriving, gates, bias=False)

    def forward(self, x: Features, edges: EdgeGeometry) -> Features:
        """Return the new features."""
        own = self.self_connection(x)
        mixed = self.mix_messages(self.convolution(self.mix_neighbours(x), edges))
        scalars, *others = (
            part + own[degree] if degree < len(own) else part for degree, part in enumerate(mixed)
        )
        first, *gates = functional.silu(scalars).split(self.leaving, dim=2)
        return (first, *(gate * part for gate, part in zip(gates, others, strict=True)))


def _rows(path: Path) -> int:
    return 2 * path.degree_out + 1
