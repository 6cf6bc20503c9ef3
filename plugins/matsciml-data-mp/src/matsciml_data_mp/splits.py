"""A split with the rule of the published benchmark, made anew by a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from matsciml_core import Split
from matsciml_core.interfaces.crystal_systems import crystal_system
from matsciml_core.interfaces.split import SUBSETS, make_split

PAPER_SIZES = "paper-sizes"
_MERGED = {"triclinic": "tri", "trigonal": "tri"}
"""The paper told families apart by the beginning of their names, so these two became one."""


def family(space_group: int) -> str:
    """Return the stratum of a crystal in the published split, one of six.

    The paper took the point group for it, which the space group determines.

    Args:
        space_group: The international number minus one; below zero where unknown.

    >>> family(0), family(165), family(224), family(-1)
    ('tri', 'tri', 'cubic', 'unknown')
    """
    if space_group < 0:
        return "unknown"
    system = crystal_system(space_group + 1)
    return _MERGED.get(system, system)


def paper_sizes_split(ids: Sequence[str], space_groups: Sequence[int], *, seed: int = 0) -> Split:
    """Split 70/20/10 within six families, rounded as the published split was.

    Of a family of n crystals, int(0.7 n) train, those up to int((0.7 + 0.2) n) validate, and the
    rest tests; 0.7 + 0.2 is a little less than 0.9 in floating point. The published sizes, 108,159,
    30,904 and 15,456 of 154,519, agree with that rule; which crystals were in which subset can be
    known from the published lists alone, because that split was made without a seed.

    Args:
        ids: Unique ids.
        space_groups: Of each crystal, see :func:`family`.
        seed: Seed of the shuffle (NumPy's PCG64), over the sorted ids.

    Returns:
        The split.
    """
    members: dict[str, list[str]] = {}
    for name, group in sorted(zip(ids, space_groups, strict=True)):
        members.setdefault(family(group), []).append(name)
    generator = np.random.Generator(np.random.PCG64(seed))
    subsets: dict[str, list[str]] = {subset: [] for subset in SUBSETS}
    for stratum in sorted(members):
        names = members[stratum]
        shuffled = [names[k] for k in generator.permutation(len(names))]
        # 0.7 + 0.2 as the paper's program adds it: 0.8999999999999999, not 0.9.
        train, end = int(0.7 * len(names)), int((0.7 + 0.2) * len(names))
        subsets["train"] += shuffled[:train]
        subsets["validation"] += shuffled[train:end]
        subsets["test"] += shuffled[end:]
    return make_split("stratified by the paper's six families, 70/20/10", seed, subsets)
