"""Uniqueness and novelty: generated crystals that are the same, and that the training set has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matsciml_core.data.splits.grouping import reduced_composition
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.progress import Report, silent
from matsciml_tool_generate.matching import are_same, reduced_structure
from matsciml_tool_generate.parallel import parallel_map

_REDUCE_SECONDS, _COMPARE_SECONDS = 0.02, 0.003
"""About how long it takes to reduce a cell, and to compare two."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Duplicates among generated crystals, and crystals that the training set has."""

    representative: tuple[int, ...]
    """Index of the earliest crystal that each is the same as; its own, where it is the earliest."""
    in_training: tuple[bool, ...]
    """Whether the training set has it; all False where there is no training set."""

    @property
    def uniqueness(self) -> float:
        """Different crystals as a share of all; NaN where there is no crystal."""
        indices = self.representative
        return len(set(indices)) / len(indices) if indices else float("nan")

    @property
    def novelty(self) -> float:
        """Share of the crystals that the training set does not have; NaN where there is none."""
        flags = self.in_training
        return 1.0 - sum(flags) / len(flags) if flags else float("nan")


def find_duplicates(
    generated: Sequence[Crystal],
    training: Sequence[Crystal] = (),
    *,
    workers: int | None = None,
    report: Report = silent,
) -> Duplicates:
    """Find the generated crystals that are the same, and those that the training set has.

    Two crystals are the same where pymatgen's StructureMatcher, with its default tolerances, maps
    one onto the other. Only crystals of the same reduced composition whose primitive cells have
    equally many atoms are compared, since it never matches others.

    Uniqueness and novelty are not in CDVAE's paper; they are defined as by Zeni et al., but over
    all crystals that are given, not over stable ones only.

    Args:
        generated: The generated crystals, valid ones.
        training: The training set.
        workers: Processes; None: one per core.
        report: Receives progress.

    References:
        Zeni et al., A generative model for inorganic materials design, Nature 639, 624 (2025),
        "Uniqueness" and "Novelty" under Methods; doi:10.1038/s41586-025-08628-5.
        Ong et al., Comput. Mater. Sci. 68, 314 (2013), doi:10.1016/j.commatsci.2012.10.028.
    """
    groups: dict[str, _Composition] = {}
    for index, crystal in enumerate(generated):
        group = groups.setdefault(reduced_composition(crystal.atomic_numbers), _Composition())
        group.indices.append(index)
        group.generated.append(crystal)
    for crystal in training:
        key = reduced_composition(crystal.atomic_numbers)
        if key in groups:
            groups[key].training.append(crystal)
    # The longest first, so that no process is left with it alone at the end.
    jobs = sorted(groups.values(), key=lambda group: -group.seconds)
    results = parallel_map(
        _match_composition,
        jobs,
        # Where a process crashed on them, all count as different, and none as part of training.
        on_crash=lambda group: ([*range(len(group.indices))], [False] * len(group.indices)),
        expected_seconds=sum(group.seconds for group in jobs),
        workers=workers,
        label="comparing structures",
        unit="compositions",
        report=report,
    )
    representative, in_training = list(range(len(generated))), [False] * len(generated)
    for group, (leaders, flags) in zip(jobs, results, strict=True):
        for index, leader, flag in zip(group.indices, leaders, flags, strict=True):
            representative[index] = group.indices[leader]
            in_training[index] = flag
    return Duplicates(representative=tuple(representative), in_training=tuple(in_training))


@dataclass(frozen=True)
class _Composition:
    """Crystals of one reduced composition, and the indices of the generated ones."""

    indices: list[int] = field(default_factory=list)
    generated: list[Crystal] = field(default_factory=list)
    training: list[Crystal] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """About how long it takes to reduce every cell, and to compare it with the others."""
        own, all_ = len(self.generated), len(self.generated) + len(self.training)
        return _REDUCE_SECONDS * all_ + _COMPARE_SECONDS * own * all_


def _match_composition(group: _Composition) -> tuple[list[int], list[bool]]:
    """Return the position of each crystal's representative, and whether the training set has it."""
    if len(group.generated) == 1 and not group.training:
        return [0], [False]  # nothing to compare: most compositions of a good generator
    training = [reduced_structure(crystal) for crystal in group.training]
    leaders: dict[int, Any] = {}
    positions: list[int] = []
    in_training: list[bool] = []
    for position, crystal in enumerate(group.generated):
        structure = reduced_structure(crystal)
        same = (k for k, leader in leaders.items() if are_same(structure, leader))
        positions.append(next(same, position))
        # A crystal that is its own representative leads the later ones.
        leaders.setdefault(positions[-1], structure)
        in_training.append(any(are_same(structure, other) for other in training))
    return positions, in_training
