"""pymatgen's JSON told by its content; imported for every JSON file, hence light."""

from __future__ import annotations

import re
from pathlib import Path

_BEGINNING = re.compile(rb'\s*\[?\s*\{\s*"@module":\s*"pymatgen\.core\.(?:structure|trajectory)"')


def is_structure_json(path: Path, head: bytes) -> bool:
    """Return whether a file begins with a structure, a list of structures, or a trajectory.

    Args:
        path: The file.
        head: Its first bytes.
    """
    return bool(_BEGINNING.match(head))
