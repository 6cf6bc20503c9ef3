"""Geometric products of the members of a neighbourhood, and their invariants.

A tuple (i, j, ..) of members has the product pᵢ pⱼ .. of their multivectors. What an attention
layer sees of it are *contiguous sub-products*, each a start within the tuple and a length. All
sub-products of one length are the same table, read along other axes, so each length is multiplied
out once: for rank 2 the members themselves and the table of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from matsciml_model_gala.algebra import (
    BIVECTOR,
    VECTOR,
    inverse_length,
    right_matrices,
    soft_length,
)

Mode = Literal["single", "partial", "full"]


@dataclass(frozen=True)
class Span:
    """A contiguous part of a tuple."""

    start: int
    length: int


def spans(rank: int, mode: Mode) -> tuple[Span, ...]:
    """List the sub-products that a mode uses.

    Args:
        rank: Members of a tuple.
        mode: ``single``: the whole product. ``partial``: all that begin with the first member.
            ``full``: all. Those that start earlier come first, longer ones before shorter.
    """
    if mode == "single":
        return (Span(0, rank),)
    starts = range(rank if mode == "full" else 1)
    return tuple(Span(start, length) for start in starts for length in range(rank - start, 0, -1))


@dataclass(frozen=True)
class Rules:
    """How lengths are taken."""

    softening: float = 0.0
    """Added to lengths under the root, see :func:`~matsciml_model_gala.algebra.soft_length`."""
    mirror: bool = False
    """Whether the trivector part enters by its size, so that mirror images look the same."""

    def trivector(self, part: Tensor) -> Tensor:
        """Return what the networks see of a trivector part.

        Args:
            part: ``(..., 1)``; a product of n points has the unit Åⁿ.
        """
        return soft_length(part.square(), self.softening) if self.mirror else part

    def length(self, part: Tensor) -> Tensor:
        """Return the length over the last axis, which stays with length 1.

        Args:
            part: ``(..., n)``, in Åⁿ for a product of n points.
        """
        return soft_length(part.square().sum(dim=-1, keepdim=True), self.softening)


class Algebra(Protocol):
    """What products are made of: multivectors, or plain vectors with their own short form."""

    def powers(self, points: Tensor, rank: int) -> list[Tensor]:
        """Return the products of all tuples of 1, 2, .. rank members, ``(centres, members^n, w)``.

        Args:
            points: ``(centres, members, w)``, Å.
            rank: Longest product.
        """
        ...

    def invariants(self, product: Tensor, length: int, rules: Rules) -> Tensor:
        """Return the rotation-invariant numbers of products, ``(..., n)``.

        Args:
            product: ``(..., w)``, in Åⁿ for a product of n points.
            length: Points in each product, n.
            rules: How lengths are taken.
        """
        ...

    def covariant(self, product: Tensor, length: int) -> Tensor:
        """Return what turns with the points, in the form of a point, ``(..., w)``.

        Args:
            product: ``(..., w)``, in Åⁿ for a product of n points.
            length: Points in each product, n.
        """
        ...

    def columns(self, length: int) -> tuple[int, ...]:
        """Return the indices of the invariants among the four of a multivector."""
        ...


class Multivectors:
    """Points are general multivectors, ``w = 8``; four invariants each."""

    def powers(self, points: Tensor, rank: int) -> list[Tensor]:
        """Multiply out; every product is a matrix product with a member's 8 x 8 matrix.

        Args:
            points: ``(centres, members, 8)``, Å.
            rank: Longest product.
        """
        centres, members, _ = points.shape
        matrices = right_matrices(points).transpose(1, 2).reshape(centres, 8, members * 8)
        found = [points]
        for length in range(2, rank + 1):
            product = found[-1].reshape(centres, -1, 8) @ matrices
            found.append(product.view(centres, *[members] * length, 8))
        return found

    def invariants(self, product: Tensor, length: int, rules: Rules) -> Tensor:
        """Return scalar, length of vector, length of bivector, trivector, ``(..., 4)``.

        Args:
            product: ``(..., 8)``, in Åⁿ for a product of n points.
            length: Points in each product, n; multivectors look the same for all.
            rules: How lengths are taken.
        """
        scalar, trivector = product[..., :1], product[..., 7:]
        vector = rules.length(product[..., VECTOR])
        bivector = rules.length(product[..., BIVECTOR])
        return torch.cat((scalar, vector, bivector, rules.trivector(trivector)), dim=-1)

    def covariant(self, product: Tensor, length: int) -> Tensor:
        """Return the product, a multivector itself.

        Args:
            product: ``(..., 8)``, in Åⁿ for a product of n points.
            length: Points in each product, n.
        """
        return product

    def columns(self, length: int) -> tuple[int, ...]:
        """All four."""
        return (0, 1, 2, 3)


class Vectors:
    """Points are vectors, ``w = 3``; products are written without the zeros they are known to have.

    An odd number of vectors gives (vector, trivector), an even number (scalar, bivector), four
    numbers each; one vector stays as it is. The bivector is in the order (e12, e13, e23).
    """

    def powers(self, points: Tensor, rank: int) -> list[Tensor]:
        """Multiply out, by dot and cross products.

        Args:
            points: ``(centres, members, 3)``, Å.
            rank: Longest product.
        """
        found = [points]
        for length in range(2, rank + 1):
            previous = found[-1].unsqueeze(-2)  # (centres, .., members, 1, w)
            factor = points.view(points.shape[0], *[1] * (length - 1), *points.shape[1:])
            multiply = _odd_times_vector if length % 2 == 0 else _even_times_vector
            found.append(multiply(previous, factor))
        return found

    def invariants(self, product: Tensor, length: int, rules: Rules) -> Tensor:
        """Return length; or scalar and length of bivector; or length of vector and trivector.

        Args:
            product: ``(..., 3)`` or ``(..., 4)``, in Åⁿ for a product of n points.
            length: Points in each product, n.
            rules: How lengths are taken.
        """
        if length == 1:
            return rules.length(product)
        if length % 2 == 0:
            return torch.cat((product[..., :1], rules.length(product[..., 1:])), dim=-1)
        vector, trivector = product[..., :3], product[..., 3:]
        return torch.cat((rules.length(vector), rules.trivector(trivector)), dim=-1)

    def covariant(self, product: Tensor, length: int) -> Tensor:
        """Return the vector part, or the normal of the bivector (e12 stands for e3), ``(..., 3)``.

        Args:
            product: ``(..., 3)`` or ``(..., 4)``, in Åⁿ for a product of n points.
            length: Points in each product, n.
        """
        if length % 2:
            return product[..., :3]
        e12, e13, e23 = product[..., 1:].unbind(dim=-1)
        return torch.stack((e23, -e13, e12), dim=-1)

    def columns(self, length: int) -> tuple[int, ...]:
        """The parts that exist."""
        if length == 1:
            return (1,)
        return (1, 3) if length % 2 else (0, 2)


def _odd_times_vector(odd: Tensor, vector: Tensor) -> Tensor:
    """Multiply (vector[, trivector]) by a vector: (scalar, bivector)."""
    a, b, c = odd[..., :3].unbind(-1)
    x, y, z = vector.unbind(-1)
    parts = [a * x + b * y + c * z, a * y - b * x, a * z - c * x, b * z - c * y]
    if odd.shape[-1] == 4:  # e123 x = x e23 - y e13 + z e12
        t = odd[..., 3]
        parts = [parts[0], parts[1] + t * z, parts[2] - t * y, parts[3] + t * x]
    return torch.stack(parts, dim=-1)


def _even_times_vector(even: Tensor, vector: Tensor) -> Tensor:
    """Multiply (scalar, bivector) by a vector: (vector, trivector)."""
    s, e12, e13, e23 = even.unbind(-1)
    x, y, z = vector.unbind(-1)
    parts = (
        s * x + e12 * y + e13 * z,
        s * y - e12 * x + e23 * z,
        s * z - e13 * x - e23 * y,
        e12 * z - e13 * y + e23 * x,
    )
    return torch.stack(parts, dim=-1)


@dataclass(frozen=True, kw_only=True)
class Products:
    """The products of all tuples of some neighbourhoods."""

    algebra: Algebra
    rules: Rules
    rank: int
    normalised: bool
    powers: Sequence[Tensor]
    """By length."""
    inverse: Sequence[Tensor]
    """One over the size of each product, by length, ``(centres, members^n, 1)``."""

    @classmethod
    def of(
        cls, points: Tensor, algebra: Algebra, rules: Rules, rank: int, *, normalised: bool
    ) -> Products:
        """Multiply out.

        Args:
            points: ``(centres, members, w)``, Å.
            algebra: What the points are.
            rules: How lengths are taken.
            rank: Members of a tuple.
            normalised: Whether the sub-products are listed a second time, divided by their size.
        """
        powers = algebra.powers(points, rank)
        inverse = [
            inverse_length(power.square().sum(-1, keepdim=True), rules.softening)
            for power in powers
            if normalised
        ]
        return cls(
            algebra=algebra,
            rules=rules,
            rank=rank,
            normalised=normalised,
            powers=powers,
            inverse=inverse,
        )

    def invariants(self, mode: Mode) -> Tensor:
        """Return the sub-products' invariants side by side, ``(centres, members^rank, n)``."""
        plain = [
            self.algebra.invariants(power, length, self.rules)
            for length, power in enumerate(self.powers, start=1)
        ]
        return self._side_by_side(plain, mode, dim=-1)

    def covariants(self, mode: Mode) -> Tensor:
        """Return the sub-products' covariants, ``(centres, members^rank, products, w)``."""
        plain = [
            self.algebra.covariant(power, length).unsqueeze(-2)
            for length, power in enumerate(self.powers, start=1)
        ]
        return self._side_by_side(plain, mode, dim=-2)

    def _side_by_side(self, plain: Sequence[Tensor], mode: Mode, *, dim: int) -> Tensor:
        tables = [plain]
        if self.normalised:
            depth = plain[0].dim() - self.powers[0].dim()
            factors = [x.view(*x.shape, *[1] * depth) for x in self.inverse]
            tables.append([x * factor for x, factor in zip(plain, factors, strict=True)])
        listed = spans(self.rank, mode)
        parts = [self._spread(table[s.length - 1], s) for table in tables for s in listed]
        return torch.cat(parts, dim=dim)

    def _spread(self, table: Tensor, span: Span) -> Tensor:
        """Read a table along the axes of a part of the tuple, and broadcast it over the others."""
        centres, members = self.powers[0].shape[:2]
        inner = table.shape[span.length + 1 :]
        after = self.rank - span.start - span.length
        shape = (
            centres,
            *[1] * span.start,
            *[members] * span.length,
            *[1] * after,
            *inner,
        )
        return table.reshape(shape).expand(centres, *[members] * self.rank, *inner)


def active_columns(algebra: Algebra, rank: int, mode: Mode, *, normalised: bool) -> tuple[int, ...]:
    """Return where an algebra's invariants stand among four per sub-product of a multivector."""
    listed = spans(rank, mode) * (2 if normalised else 1)
    return tuple(
        4 * number + column
        for number, span in enumerate(listed)
        for column in algebra.columns(span.length)
    )
