"""Which of many structures to take: by spread, by diversity, by both, or at random.

Taking one after the other the structure that is farthest from the training set and from those
taken before is the greedy solution of the k-center problem: no choice of as many structures covers
the pool with a radius less than half of its. Where the spread counts too, structures are drawn with
a probability in proportion to spread times distance: always taking the largest value fills the
selection with outliers, of which the rest of the pool has nothing.

References:
    Gonzalez, Theor. Comput. Sci. 38, 293 (1985), doi:10.1016/0304-3975(85)90224-5: the greedy
    solution and its bound. Sener and Savarese, ICLR (2018), arXiv:1708.00489: in the embedding of
    a network, for active learning. Kirsch et al., Trans. Mach. Learn. Res. (2023),
    arXiv:2106.12059: drawing in proportion to the score. The product with the distance is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

By = Literal["both", "spread", "diversity", "random"]
MIN_DISTANCE = 0.02
"""Distance below which structures are near-twins, in units of the typical one."""
_BLOCK = 1024
"""Structures that a pool is compared with at once; with all, memory would grow as their product."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A structure that was taken."""

    index: int
    """Its place in the pool."""
    to_training: float
    """Distance to the nearest structure of the training set, in units of the typical distance of
    two structures; ∞ where there is none."""
    to_taken: float
    """The same to the nearest structure that was taken before; ∞ for the first."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was taken, and what was left out because there is nearly the same already."""

    choices: Sequence[Choice]
    to_training: NDArray[np.float64]
    """Distance of every structure of the pool to the nearest of the training set,
    ``(structures,)``, in units of the typical one; ∞ where there is none."""
    twins_of_training: int
    """Structures of the pool that are nearly one of the training set."""
    twins_of_taken: int
    """Structures of the pool that are nearly one that was taken."""


def select_structures(
    pool: NDArray[np.float32],
    training: NDArray[np.float32],
    count: int,
    *,
    by: By = "both",
    spreads: NDArray[np.float64] | None = None,
    min_distance: float = MIN_DISTANCE,
    seed: int = 0,
) -> Selection:
    """Take structures of a pool, one after the other.

    Args:
        pool: Embeddings of the candidates, ``(structures, width)``, dimensionless.
        training: The same of what was computed already, ``(computed, width)``, dimensionless; may
            be empty.
        count: How many to take; fewer are taken where all others have a twin.
        by: ``spread``: the largest one first. ``diversity``: the largest distance to the training
            set and to those taken first. ``both``: drawn in proportion to spread times that
            distance. ``random``: drawn, all alike.
        spreads: Standard deviations, ``(structures,)``, in the label's unit; only for ``spread``
            and ``both``.
        min_distance: Structures that are nearer to one of the training set, or to one taken, are
            left out; in units of the typical distance.
        seed: Seed of what is drawn.
    """
    scaled, known = scale(pool, training)
    random = np.random.Generator(np.random.PCG64(seed))
    weights = np.ones(len(pool)) if spreads is None else spreads
    to_training = nearest_distances(scaled, known)
    to_taken = np.full(len(pool), np.inf)
    free = to_training >= min_distance
    taken = np.zeros(len(pool), dtype=bool)
    choices: list[Choice] = []
    while len(choices) < count:
        open_ = free & ~taken & (to_taken >= min_distance)
        if not open_.any():
            break
        distances = np.minimum(to_training, to_taken)
        if np.isinf(distances).all():  # nothing to be far from yet: begin in the middle
            distances = np.exp(-np.linalg.norm(scaled, axis=1))
        index = _next(by, weights, distances, np.flatnonzero(open_), random)
        choices.append(
            Choice(
                index=index,
                to_training=float(to_training[index]),
                to_taken=float(to_taken[index]),
            )
        )
        taken[index] = True
        to_taken = np.minimum(to_taken, nearest_distances(scaled, scaled[index : index + 1]))
    twins = free & ~taken & (to_taken < min_distance)
    return Selection(
        choices=choices,
        to_training=to_training,
        twins_of_training=int((~free).sum()),
        twins_of_taken=int(twins.sum()),
    )


def _next(
    by: By,
    weights: NDArray[np.float64],
    distances: NDArray[np.float64],
    places: NDArray[np.int64],
    random: np.random.Generator,
) -> int:
    """Return which of the places in the pool is taken next."""
    if by == "spread":
        return int(places[np.argmax(weights[places])])
    if by == "diversity":
        return int(places[np.argmax(distances[places])])
    scores = (weights * distances)[places] if by == "both" else np.ones(len(places))
    total = scores.sum()
    # Where models agree on all that is left, or all is in one place, nothing speaks for any.
    return int(random.choice(places, p=scores / total if total > 0 else None))


def scale(
    pool: NDArray[np.float32], training: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale embeddings to a typical (root mean square) distance of 1 between two structures.

    Each column gets variance 1 over pool and training set together; the mean square difference of
    two independent draws is twice that, in each of the columns.

    Args:
        pool: ``(structures, width)``, dimensionless.
        training: ``(crystals, width)``, dimensionless; may be empty.

    Returns:
        Both, without columns that are the same for all.
    """
    joint = np.concatenate([pool, training]).astype(np.float64)
    deviation = joint.std(axis=0)
    # Rounding leaves a constant column a tiny deviation, which is not to be blown up.
    varied = deviation > 1e-6 * np.abs(joint).max(axis=0, initial=0.0)
    centred = joint[:, varied] - joint[:, varied].mean(axis=0)
    scaled = centred / (deviation[varied] * np.sqrt(2.0 * max(int(varied.sum()), 1)))
    return scaled[: len(pool)], scaled[len(pool) :]


def nearest_distances(
    rows: NDArray[np.float64], others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distance of each row to the nearest of the others, ``(rows,)``; ∞: of none.

    Args:
        rows: ``(rows, width)``, dimensionless.
        others: ``(others, width)``, dimensionless; may be empty.
    """
    squares = np.full(len(rows), np.inf)
    own = (rows**2).sum(axis=1)
    for start in range(0, len(others), _BLOCK):
        block = others[start : start + _BLOCK]
        # |a − b|² = |a|² + |b|² − 2 a·b is one product of matrices; all differences at once would
        # be as many numbers as pairs times the width.
        products = own[:, None] + (block**2).sum(axis=1) - 2.0 * rows @ block.T
        squares = np.minimum(squares, products.min(axis=1))
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0.0))  # never −0 by rounding
    return distances
