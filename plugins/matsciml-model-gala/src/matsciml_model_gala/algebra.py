"""The geometric algebra of three-dimensional Euclidean space.

A multivector is eight numbers in the order (1, e1, e2, e3, e12, e13, e23, e123). A basis element
is a set of unit vectors, so it can be written as three bits; the product of two is their
symmetric difference, with a sign that counts how many unit vectors have to be swapped to bring
them into order (eᵢ eⱼ = −eⱼ eᵢ, eᵢ² = 1). All tables below follow from that.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

BLADES = (0b000, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111)
"""The unit vectors in each basis element, e1 as the lowest bit."""
_PLACE = {blade: place for place, blade in enumerate(BLADES)}

VECTOR = slice(1, 4)
BIVECTOR = slice(4, 7)


def blade_product(first: int, second: int) -> tuple[int, int]:
    """Multiply two basis elements, given as bits.

    >>> blade_product(0b011, 0b110)  # e12 e23 = e13
    (5, 1)

    Returns:
        The basis element, as bits, and its sign.
    """
    # Each unit vector of the second passes those of the first that come after it.
    swaps = sum((first >> (k + 1)).bit_count() for k in range(3) if second >> k & 1)
    return first ^ second, -1 if swaps % 2 else 1


@cache
def product_table() -> Tensor:
    """Return T with (a b)ₖ = Σ aᵢ bⱼ Tᵢⱼₖ, ``(8, 8, 8)`` float64 on the CPU; never write to it."""
    table = torch.zeros(8, 8, 8, dtype=torch.float64)
    for i, first in enumerate(BLADES):
        for j, second in enumerate(BLADES):
            blade, sign = blade_product(first, second)
            table[i, j, _PLACE[blade]] = sign
    return table


def right_matrices(factors: Tensor) -> Tensor:
    """Return the matrices that multiply by multivectors from the right: p b = p @ matrix(b).

    Args:
        factors: ``(..., 8)``, in any unit.

    Returns:
        ``(..., 8, 8)``.
    """
    table = product_table().to(factors)  # (i, j, k)
    flat = table.transpose(0, 1).reshape(8, 64)  # (j, i k)
    return (factors @ flat).view(*factors.shape[:-1], 8, 8)


def to_multivector(vectors: Tensor) -> Tensor:
    """Write vectors as multivectors, ``(..., 8)``, with nothing else in them.

    Args:
        vectors: ``(..., 3)``, Å.
    """
    return torch.nn.functional.pad(vectors, (1, 4))


def soft_length(squared: Tensor, softening: float) -> Tensor:
    """Return a length from its square, with derivatives at zero.

    √(x² + ε²) − ε has all derivatives everywhere. With ε = 0 it is the length itself, whose
    gradient at zero is taken as zero; a second derivative is not defined there.

    Args:
        squared: Squared lengths, ``(..., n)``, in the square of their unit.
        softening: ε, in the unit of the length.

    Returns:
        The shape of ``squared``.
    """
    if softening:
        return torch.sqrt(squared + softening**2) - softening
    # The root has an infinite derivative at zero, so it is taken of one there.
    positive = squared > 0
    return torch.where(positive, squared, 1.0).sqrt() * positive


def inverse_length(squared: Tensor, softening: float, floor: float = 1e-7) -> Tensor:
    """Return one over a length, from its square: 1/√(x² + ε²), or 1/max(x, floor) with ε = 0.

    Args:
        squared: Squared lengths, ``(..., n)``, in the square of their unit.
        softening: ε, in the unit of the length.
        floor: Shortest length that is divided by where ε is zero.

    Returns:
        The shape of ``squared``.
    """
    if softening:
        return torch.rsqrt(squared + softening**2)
    return torch.rsqrt(squared.clamp(min=floor**2))
