"""The default split: by a hash of the composition, so that a subset is known from a crystal alone.

Reference energies must be fitted to the training set before all crystals are known, and a later
release must not move a crystal from one subset to another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from matsciml_core import Split
from matsciml_core.interfaces.split import FRACTIONS, SUBSETS, check_unique, make_split


def subset_of(composition: str) -> str:
    """Return the subset of all crystals of a composition.

    Args:
        composition: Reduced, as ``reduced_composition`` writes it.

    >>> subset_of("11:1 17:1")
    'train'
    """
    digest = hashlib.sha256(composition.encode()).digest()
    # Uniform in [0, 1), and the same on every machine, which Python's own hash is not.
    share = int.from_bytes(digest[:8], "big") / 2.0**64
    if share < FRACTIONS[0]:
        return SUBSETS[0]
    return SUBSETS[1] if share < FRACTIONS[0] + FRACTIONS[1] else SUBSETS[2]


def composition_split(ids: Sequence[str], compositions: Sequence[str]) -> Split:
    """Return the split of crystals by their compositions.

    Args:
        ids: Unique ids.
        compositions: Reduced composition of each.

    Raises:
        SplitError: Ids are not unique.
    """
    check_unique(ids)
    subsets: dict[str, list[str]] = {subset: [] for subset in SUBSETS}
    for name, composition in zip(ids, compositions, strict=True):
        subsets[subset_of(composition)].append(name)
    return make_split("by a hash of the composition", None, subsets)
