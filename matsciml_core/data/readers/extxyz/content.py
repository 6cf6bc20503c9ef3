"""Extended XYZ told by its content; imported whenever a file's name says nothing, hence light."""

from __future__ import annotations

import re
from pathlib import Path

_BEGINNING = re.compile(rb"\s*\d+[ \t]*\r?\n[^\n]*\b(?:Lattice|Properties)\s*=", re.IGNORECASE)


def is_extended_xyz(path: Path, head: bytes) -> bool:
    """Return whether a file begins with a frame of extended or plain XYZ.

    Args:
        path: The file; an ending that is that of plain XYZ files is enough.
        head: Its first bytes.
    """
    # Plain XYZ has no sign of its own: two lines and then anything.
    suffixes = {suffix.lower() for suffix in path.suffixes}
    return not suffixes.isdisjoint({".xyz", ".extxyz"}) or bool(_BEGINNING.match(head))
