"""Read the metadata of installed distributions, quickly.

``importlib.metadata`` gives the same answers, but imports an e-mail parser for them, which costs
a fifth of the time that ``matsciml --help`` takes. It is asked where the quick way finds nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_SUFFIXES = (".dist-info", ".egg-info")


def metadata_folders(folder: str) -> list[str]:
    """Return the metadata folders within a folder of the import path, sorted by name.

    What pip leaves behind when an uninstall is interrupted begins with ``~`` and is skipped.
    """
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    return [
        os.path.join(folder or ".", name)
        for name in names
        if name.endswith(_SUFFIXES) and not name.startswith("~")
    ]


def read_headers(metadata: str) -> dict[str, list[str]]:
    """Read the headers of a metadata folder.

    Args:
        metadata: A ``*.dist-info`` or ``*.egg-info`` folder.

    Returns:
        The values of each header, in order; nothing where the file is missing or unreadable.
    """
    file = "METADATA" if metadata.endswith(".dist-info") else "PKG-INFO"
    headers: dict[str, list[str]] = {}
    try:
        # Line by line: the description that follows is most of the file.
        with open(os.path.join(metadata, file), encoding="utf-8") as stream:
            for line in stream:
                if line == "\n":  # a line of blanks is part of a long header
                    break
                name, colon, value = line.partition(":")
                if colon and not name.startswith((" ", "\t")):
                    headers.setdefault(name, []).append(value.strip())
    except (OSError, ValueError):
        return {}
    return headers


def stem(metadata: str) -> tuple[str, str]:
    """Return name and version as a metadata folder's own name states them.

    >>> stem("site-packages/matsciml_data_mine-0.1.0.dist-info")
    ('matsciml_data_mine', '0.1.0')
    """
    name, _, version = os.path.splitext(os.path.basename(metadata))[0].partition("-")
    return name, version


def find_version(name: str, path: Iterable[str]) -> str | None:
    """Look up the version of a distribution the slow and thorough way.

    Args:
        name: The distribution's name, in any spelling.
        path: Folders to search.

    Returns:
        The version, or None where the distribution is not installed.
    """
    from importlib.metadata import Distribution

    for distribution in Distribution.discover(name=name, path=list(path)):
        try:
            version = distribution.version
        except Exception:  # left-overs raise whatever the parser stumbles over
            continue
        if version:
            return str(version)
    return None


def egg_requirements(metadata: str) -> tuple[str, ...]:
    """Return the requirements of an ``*.egg-info`` folder; it keeps them in a file of its own."""
    from importlib.metadata import PathDistribution

    try:
        return tuple(PathDistribution(Path(metadata)).requires or ())
    except Exception:  # as above
        return ()
