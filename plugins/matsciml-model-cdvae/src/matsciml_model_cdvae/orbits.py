"""Which Wyckoff positions the atoms of a crystal occupy: possible choices, and a random one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import torch

from matsciml_model_cdvae.space_groups import SpaceGroup, space_group

_Free = tuple[tuple[int, int], ...]
"""Points of no free coordinate that are not occupied: pairs of multiplicity and number."""


def can_occupy(number: int, counts: Sequence[int]) -> bool:
    """Return whether atoms fill whole orbits of a space group.

    Args:
        number: Of the space group.
        counts: Atoms of each species in the primitive cell, in any order.
    """
    group = space_group(number)
    return _fits(number, tuple(sorted(counts)), _free(group, frozenset()))


def occupy(number: int, counts: Sequence[int], generator: torch.Generator) -> list[tuple[int, int]]:
    """Choose positions for the atoms, orbit by orbit, each with equal chance among the possible.

    Args:
        number: Of the space group.
        counts: Atoms of each species in the primitive cell, which must be possible.
        generator: Source of random numbers.

    Returns:
        For each orbit the index of its species in ``counts``, and that of its position.
    """
    group = space_group(number)
    used: frozenset[int] = frozenset()
    remaining, orbits = list(counts), []
    while any(remaining):
        species = next(k for k, count in enumerate(remaining) if count)
        choices = []
        for index, position in enumerate(group.positions):
            if position.multiplicity > remaining[species] or index in used:
                continue
            after = [*remaining]
            after[species] -= position.multiplicity
            taken = used | {index} if position.is_point else used
            if _fits(number, tuple(sorted(filter(None, after))), _free(group, taken)):
                choices.append((index, after, taken))
        chosen = int(torch.randint(len(choices), (), generator=generator))
        index, remaining, used = choices[chosen]
        orbits.append((species, index))
    return orbits


def _free(group: SpaceGroup, used: frozenset[int]) -> _Free:
    counts = Counter(
        position.multiplicity
        for index, position in enumerate(group.positions)
        if position.is_point and index not in used
    )
    return tuple(sorted(counts.items()))


@lru_cache(maxsize=100_000)
def _fits(number: int, counts: tuple[int, ...], free: _Free) -> bool:
    """Return whether counts can be filled, with what is left of the points."""
    if not counts:
        return True
    count, others = counts[0], counts[1:]
    if not count:
        return _fits(number, others, free)
    for multiplicity, available in free:
        if multiplicity <= count and available:
            left = tuple((m, n - (m == multiplicity)) for m, n in free)
            if _fits(number, (count - multiplicity, *others), left):
                return True
    return any(
        _fits(number, (count - multiplicity, *others), free)
        for multiplicity in _multiplicities(number)
        if multiplicity <= count
    )


@lru_cache(maxsize=16)
def _multiplicities(number: int) -> tuple[int, ...]:
    """Return the multiplicities of positions that have room for any number of orbits."""
    positions = space_group(number).positions
    return tuple(sorted({p.multiplicity for p in positions if not p.is_point}))
