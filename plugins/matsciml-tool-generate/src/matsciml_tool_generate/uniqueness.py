"""Which structures are the same: uniqueness, novelty, and how well reconstruction works."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from matsciml_core.data.splits.grouping import reduced_composition
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.progress import Report, silent
from matsciml_tool_generate.parallel import work_on

RECONSTRUCTION = {"stol": 0.5, "angle_tol": 10.0, "ltol": 0.3}
"""Tolerances with which CDVAE matches a reconstruction with the truth: of a site, in units of the
cube root of the volume per atom; of angles, degrees; of lengths, as a fraction."""
SAME_STRUCTURE = {"stol": 0.3, "angle_tol": 5.0, "ltol": 0.2}
"""Tolerances with which two crystals count as the same: pymatgen's defaults."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Which of the generated crystals are alike, and which are known."""

    group: tuple[int, ...]
    """Number of the first crystal that each is the same as; its own, where it is the first."""
    is_known: tuple[bool, ...]
    """Whether the training set has it; all False where there is no training set."""

    @property
    def uniqueness(self) -> float:
        """Different crystals as a share of all; NaN where there is none."""
        return len(set(self.group)) / len(self.group) if self.group else float("nan")

    @property
    def novelty(self) -> float:
        """Share of the crystals that the training set does not have; NaN where there is none."""
        known = self.is_known
        return 1.0 - sum(known) / len(known) if known else float("nan")


def find_duplicates(
    generated: Sequence[Crystal],
    training: Sequence[Crystal] = (),
    *,
    workers: int | None = None,
    report: Report = silent,
) -> Duplicates:
    """Find out which generated crystals are the same, and which the training set has.

    Two crystals are the same where pymatgen's StructureMatcher, with its default tolerances, maps
    one onto the other. It is asked only about crystals of the same reduced composition whose
    primitive cells have equally many atoms, since it never matches others.

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
    buckets: dict[str, _Bucket] = {}
    for number, crystal in enumerate(generated):
        key = reduced_composition(crystal.atomic_numbers)
        buckets.setdefault(key, _Bucket([], [], [])).add(number, crystal)
    for crystal in training:
        bucket = buckets.get(reduced_composition(crystal.atomic_numbers))
        if bucket is not None:
            bucket.training.append(crystal)
    group, known = list(range(len(generated))), [False] * len(generated)
    jobs = sorted(buckets.values(), key=lambda bucket: -bucket.seconds)
    found = work_on(
        _match_bucket,
        jobs,
        on_death=_give_up,
        expected=sum(bucket.seconds for bucket in jobs),
        workers=workers,
        label="comparing structures",
        unit="compositions",
        report=report,
    )
    for bucket, (leaders, flags) in zip(jobs, found, strict=True):
        for place, leader, flag in zip(bucket.numbers, leaders, flags, strict=True):
            group[place] = place if leader is None else bucket.numbers[leader]
            known[place] = flag
    return Duplicates(group=tuple(group), is_known=tuple(known))


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """How well crystals were reconstructed."""

    match_rate: float
    """Matched crystals as a share of all; NaN where there is none."""
    rms: float
    """Mean normalised distance of the matched ones, dimensionless; NaN where none matched."""
    distances: tuple[float | None, ...]
    """Of each crystal; None: no match."""


def reconstruction(
    pairs: Sequence[tuple[Crystal | None, Crystal]],
    valid: Sequence[bool],
    *,
    workers: int | None = None,
    report: Report = silent,
) -> Reconstruction:
    """Return match rate and RMSE of reconstructed crystals.

    Each crystal is compared with the one it was reconstructed from by StructureMatcher with the
    tolerances ``RECONSTRUCTION``. The match rate counts over all pairs; the RMSE is the mean, over
    the matched ones, of the root mean square displacement divided by the cube root of the volume
    per atom.

    Args:
        pairs: Reconstruction (None: there is none) and truth.
        valid: Whether both crystals of a pair are valid; others do not match by definition.
        workers: Processes; None: one per core.
        report: Receives progress.

    References:
        Xie et al., ICLR (2022), section 5.1, "Metrics"; doi:10.48550/arXiv.2110.06197.
    """
    jobs = [pair if ok else (None, pair[1]) for pair, ok in zip(pairs, valid, strict=True)]
    distances = work_on(
        _rms_distance,
        jobs,
        on_death=lambda _: None,
        expected=0.1 * len(jobs),
        workers=workers,
        label="matching reconstructions",
        report=report,
    )
    matched = [one for one in distances if one is not None]
    return Reconstruction(
        match_rate=len(matched) / len(pairs) if pairs else float("nan"),
        rms=float(np.mean(matched)) if matched else float("nan"),
        distances=tuple(distances),
    )


@dataclass(frozen=True)
class _Bucket:
    """Crystals of one reduced composition."""

    numbers: list[int]
    generated: list[Crystal]
    training: list[Crystal]

    def add(self, number: int, crystal: Crystal) -> None:
        self.numbers.append(number)
        self.generated.append(crystal)

    @property
    def seconds(self) -> float:
        """About what it takes: to reduce every cell, and to compare it with the others."""
        own, others = len(self.generated), len(self.training)
        return 0.02 * (own + others) + 0.003 * own * (own + others)


def _give_up(bucket: _Bucket) -> tuple[list[int | None], list[bool]]:
    """Say that all are different and none is known, where a process died of comparing them."""
    return [None] * len(bucket.numbers), [False] * len(bucket.numbers)


def _match_bucket(bucket: _Bucket) -> tuple[list[int | None], list[bool]]:
    """Return the place of the leader of each generated crystal's group, and whether it is known."""
    if len(bucket.generated) == 1 and not bucket.training:
        return [0], [False]
    training = [_reduced(crystal) for crystal in bucket.training]
    leaders: dict[int, Any] = {}
    places: list[int | None] = []
    known: list[bool] = []
    for place, crystal in enumerate(bucket.generated):
        structure = _reduced(crystal)
        leader = next((k for k, other in leaders.items() if _same(structure, other)), None)
        if leader is None:
            leaders[place] = structure
        places.append(place if leader is None else leader)
        known.append(any(_same(structure, other) for other in training))
    return places, known


def _reduced(crystal: Crystal) -> Any:
    """Return the Niggli-reduced primitive cell, or the crystal as it is where there is none."""
    structure = _structure(crystal)
    try:
        return structure.get_reduced_structure("niggli").get_primitive_structure()
    except Exception:
        return structure  # pymatgen gives up on some cells; the matcher then has more to do


def _same(one: Any, other: Any) -> bool:
    if len(one) != len(other):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _matcher(tuple(SAME_STRUCTURE.items())).fit(
                one, other, skip_structure_reduction=True
            )
    except Exception:
        return False  # what pymatgen cannot compare is not the same
    return bool(found)


def _rms_distance(pair: tuple[Crystal | None, Crystal]) -> float | None:
    guess, truth = pair
    if guess is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            matcher = _matcher(tuple(RECONSTRUCTION.items()))
            found = matcher.get_rms_dist(_structure(guess), _structure(truth))
    except Exception:
        return None  # what pymatgen cannot compare does not match
    return None if found is None else float(found[0])


@cache
def _matcher(tolerances: tuple[tuple[str, float], ...]) -> Any:
    from pymatgen.analysis.structure_matcher import StructureMatcher  # noqa: PLC0415 - heavy

    settings: dict[str, Any] = dict(tolerances)
    return StructureMatcher(**settings)


def _structure(crystal: Crystal) -> Any:
    from pymatgen.core.structure import Structure  # noqa: PLC0415 - heavy

    return Structure(
        crystal.cell,
        crystal.atomic_numbers.tolist(),
        crystal.positions,
        coords_are_cartesian=True,
    )
