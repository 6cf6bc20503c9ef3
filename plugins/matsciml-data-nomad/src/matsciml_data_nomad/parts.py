"""The default split: by a hash of the composition, so that a part is known from a crystal alone.

Reference energies must be fitted to the training part before all crystals are known, and a later
release must not move a crystal from one part to another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from matsciml_core import Split
from matsciml_core.interfaces.split import FRACTIONS, PARTS, check_unique, make_split


def part_of(composition: str) -> str:
    """Return the part of all crystals of a composition.

    Args:
        composition: Reduced, as ``reduced_composition`` writes it.

    >>> part_of("11:1 17:1")
    'train'
    """
    digest = hashlib.sha256(composition.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2.0**64
    if place < FRACTIONS[0]:
        return PARTS[0]
    return PARTS[1] if place < FRACTIONS[0] + FRACTIONS[1] else PARTS[2]


def composition_split(ids: Sequence[str], compositions: Sequence[str]) -> Split:
    """Return the split of crystals by their compositions.

    Args:
        ids: Unique ids.
        compositions: Reduced composition of each.

    Raises:
        SplitError: Ids are not unique.
    """
    check_unique(ids)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for name, composition in zip(ids, compositions, strict=True):
        parts[part_of(composition)].append(name)
    return make_split("by a hash of the composition", None, parts)
