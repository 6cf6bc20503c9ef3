"""The split of the MDsim benchmark, so that numbers can be compared with those published there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matsciml_core import Split
from matsciml_core.interfaces.split import make_split

SIZES = (19_000, 1_000)
"""Frames for training and validation; the rest, 5,000 of the published trajectory, tests."""
SEED = 123
_SHARES = (0.76, 0.04)


def mdsim_split(ids: Sequence[str]) -> Split:
    """Return the split of MDsim.

    The benchmark calls scikit-learn's ``train_test_split`` twice with the seed 123, first to part
    the test frames from the rest, then to part the validation frames. Each call permutes by
    NumPy's older generator, whose stream never changes, and takes the test set first; that is
    repeated here exactly. A trajectory that is too short for the sizes is divided by the same
    rule in the same shares.

    Args:
        ids: Ids in the order of time.

    References:
        Fu et al., Forces are not Enough: Benchmark and Critical Evaluation for Machine Learning
        Force Fields with Molecular Simulations, TMLR (2023), arXiv:2210.07237; file
        ``preprocessing/lips.py`` of its code.
    """
    train, validation = SIZES
    shown = ""
    if len(ids) <= train + validation:
        train, validation = (round(share * len(ids)) for share in _SHARES)
        shown = f", its shares of {len(ids)} frames"
    # scikit-learn permutes all indices and takes the test set from the front; the second call does
    # the same with what is left, from the same seed.
    test, rest = np.split(_permutation(len(ids)), [len(ids) - train - validation])
    rest = rest[_permutation(len(rest))]
    subsets = {"train": rest[validation:], "validation": rest[:validation], "test": test}
    by_id = {subset: [ids[index] for index in frames] for subset, frames in subsets.items()}
    return make_split(f"random, as in MDsim{shown}", SEED, by_id)


def _permutation(count: int) -> NDArray[np.int64]:
    # The legacy generator: its stream is frozen, and it is the one that scikit-learn uses.
    return np.random.RandomState(SEED).permutation(count)
