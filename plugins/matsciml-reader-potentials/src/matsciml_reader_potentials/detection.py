"""Formats told by their first words, or by the files of a folder; imported often, hence light."""

from __future__ import annotations

import re
from pathlib import Path

TYPES = "type.raw"
_DEPTHS = ("", "*/", "*/*/")
_MTP = re.compile(rb"\s*BEGIN_CFG\s")
_PHONOPY = re.compile(rb"^(?:phonopy|phono3py):", re.MULTILINE)
_N2P2 = re.compile(rb"(?:\s|#.*\n)*begin(?:\s+position\(3\)[^\n]*)?\s+(?:comment|lattice|atom)\b")


def is_deepmd(path: Path, head: bytes) -> bool:
    """Return whether a folder is a system of DeePMD-kit, or holds some, two levels down at most."""
    return path.is_dir() and bool(systems_of(path))


def systems_of(folder: Path) -> list[Path]:
    """Return the systems in a folder, sorted: those that have types and sets."""
    return sorted(
        types.parent
        for depth in _DEPTHS
        for types in folder.glob(f"{depth}{TYPES}")
        if any(types.parent.glob("set.*"))
    )


def is_mtp(path: Path, head: bytes) -> bool:
    """Return whether a file begins with a configuration of MTP."""
    return bool(_MTP.match(head))


def is_n2p2(path: Path, head: bytes) -> bool:
    """Return whether a file begins with a structure of RuNNer or n2p2."""
    return bool(_N2P2.match(head))


def is_phonopy(path: Path, head: bytes) -> bool:
    """Return whether a file is YAML of phonopy or phono3py."""
    return bool(_PHONOPY.search(head))


def is_mlab(path: Path, head: bytes) -> bool:
    """Return whether a file is ML_AB of VASP."""
    return b"The number of configurations" in head and b"Version" in head
