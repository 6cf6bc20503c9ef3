"""What a store is made of: records of a source, read by one process or by several."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from matsciml_core.interfaces.crystal import Crystal

_VARIABLE = re.compile(r"'[^']*'|\([^)]*\)|(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Rejection:
    """A record of a source that can't be used."""

    id: str
    """What it is called, as well as that can be told."""
    reason: str
    """Why; the same words for every record that has the same fault, since they are counted."""
    detail: str = ""
    """The same with the numbers and names of this record, which the first of a kind is shown with;
    empty: the reason says all."""

    @classmethod
    def of(cls, id: str, error: Exception) -> Self:
        """Return the rejection of a record for what was raised over it."""
        return cls(id, reason_of(error), str(error).split("\n", 1)[0])


Item = Crystal | Rejection
Source = Callable[[int], Iterable[Item]]
"""Yields the records of a source from the n-th on, each as a crystal or a rejection."""


@dataclass(frozen=True, kw_only=True)
class ParallelSource:
    """A source in pieces that can be read apart from each other, by several processes.

    The pieces are made by one process, in order, and read by others, perhaps on other machines:
    a piece carries its bytes, or names a file that all of them see. Some thousand records make a
    good piece; those of a few pieces are in memory at once.
    """

    pieces: Callable[[int], Iterable[tuple[Any, int]]]
    """Yields the pieces that hold the records from the n-th on, each with how many records at its
    beginning come before the n-th."""
    read: Callable[[Any], Iterable[Item]]
    """Yields the records of a piece. A function of a module (or a ``partial`` of one), since other
    processes import it."""


def reason_of(error: Exception) -> str:
    """Return what is wrong without what differs from record to record.

    >>> reason_of(ValueError("Crystal 'a-1' has atoms 0.32 Å apart."))
    "Crystal '…' has atoms … Å apart."
    """
    line = str(error).split("\n", 1)[0]
    return _VARIABLE.sub(lambda match: "'…'" if match[0].startswith("'") else "…", line)
