"""Noise levels, and random numbers that depend on a crystal's id alone."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

_STEPS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""The increment and the two multipliers of SplitMix64."""


def geometric(largest: float, smallest: float, count: int) -> Tensor:
    """Return numbers that fall by equal factors, ``(count,)`` float64."""
    return torch.linspace(math.log(largest), math.log(smallest), count, dtype=torch.float64).exp()


def step_sizes(sigmas: Tensor, step_size: float) -> Tensor:
    """Return the Langevin step of each noise level, e_k = ε (σ_k/σ_last)².

    Args:
        sigmas: Noise levels, ``(levels,)``, Å; the last one is the smallest that was trained.
        step_size: ε, Å².

    Returns:
        ``(levels,)``, Å².

    References:
        Song, Ermon, NeurIPS 2019, Algorithm 1.
    """
    return step_size * (sigmas / sigmas[-1]).square()


def keys_of(ids: Sequence[str], count: int, device: torch.device) -> Tensor:
    """Return a number for each crystal that follows from its id, ``(crystals,)`` int64."""
    names = ids or [str(index) for index in range(count)]
    return torch.tensor([zlib.crc32(name.encode()) for name in names], device=device)


def uniform(keys: Tensor, stream: int) -> Tensor:
    """Return pseudorandom numbers that depend on nothing but their keys.

    A crystal validated in any batch, order and precision gets the same noise, so that losses of
    different epochs, and of different models, can be compared.

    Args:
        keys: Any shape, ``(..., n)`` or scalar, int64, dimensionless.
        stream: Index of an independent set of numbers for the same keys.

    Returns:
        Same shape, float64, in (0, 1).

    References:
        SplitMix64: Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    increment, *multipliers = (_signed(number) for number in _STEPS)
    state = keys * increment + _signed(_STEPS[0] * (2 * stream + 1))
    for shift, factor in zip((30, 27), multipliers, strict=True):
        state = (state ^ _shifted(state, shift)) * factor
    state = state ^ _shifted(state, 31)
    # 52 bits fit into a float64, and one half of the last keeps 0 and 1 out of reach.
    return (_shifted(state, 12).to(torch.float64) + 0.5) * 2.0**-52


def normal(keys: Tensor, stream: int) -> Tensor:
    """Return pseudorandom standard normal numbers that depend on nothing but their keys.

    Args:
        keys: Any shape, ``(..., n)`` or scalar, int64, dimensionless.
        stream: See :func:`uniform`; this uses ``stream`` and ``stream + 1``.
    """
    # Box and Muller's transformation of two uniform numbers.
    radius = torch.sqrt(-2.0 * torch.log(uniform(keys, stream)))
    return radius * torch.cos(2.0 * math.pi * uniform(keys, stream + 1))


def _signed(number: int) -> int:
    """Return the int64 with the bits of an unsigned 64-bit integer."""
    number %= 2**64
    return number - 2**64 if number >= 2**63 else number


def _shifted(state: Tensor, bits: int) -> Tensor:
    """Shift the bits of unsigned integers to the right; int64 would drag the sign along."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
