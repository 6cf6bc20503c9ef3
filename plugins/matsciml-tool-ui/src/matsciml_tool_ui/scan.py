"""What lies in a folder, by name: nothing is opened, and no link is followed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from matsciml_core.errors import ConfigError
from matsciml_core.model.latest import LATEST

_DEEPEST = 12
"""Folders within folders; a trial of a sweep lies four deep."""
_MOST = 20_000
"""Folders that are looked at."""

Stamp = tuple[int, int]
"""Time of the last change of a file, ns since 1970, and its size in bytes."""


@dataclass(frozen=True)
class Folder:
    """A folder, and what lies directly in it."""

    path: Path
    name: str
    """Its path within the folder that is served, with slashes; empty for that folder itself."""
    files: Mapping[str, Stamp] = field(default_factory=dict)
    """Regular files by their names."""
    strange: tuple[str, ...] = ()
    """Names of links that lead out of it, of devices, and of pipes."""


def require_folder(path: Path) -> Path:
    """Return the folder that a user names.

    Args:
        path: It may be a link, which is the user's own.

    Raises:
        ConfigError: There is no folder.
    """
    if not path.is_dir():
        what = "is a file" if path.is_file() else "does not exist"
        raise ConfigError(f"The folder '{path}' {what}; name a folder that holds runs.")
    return path.resolve()


def scan(root: Path) -> dict[str, Folder]:
    """Return a folder and all below it, by their paths within it.

    Args:
        root: The folder, resolved.

    Returns:
        Folders by their names; what goes away meanwhile is left out.
    """
    folders: dict[str, Folder] = {}
    pending = [(root, PurePosixPath())]
    while pending and len(folders) < _MOST:
        path, place = pending.pop()
        files: dict[str, Stamp] = {}
        strange: list[str] = []
        for entry in _entries(path):
            try:
                if entry.is_symlink():
                    if not _is_latest(entry):
                        strange.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    if len(place.parts) < _DEEPEST:
                        pending.append((Path(entry.path), place / entry.name))
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    files[entry.name] = (status.st_mtime_ns, status.st_size)
                else:
                    strange.append(entry.name)
            except OSError:  # it has gone, or may not be looked at
                continue
        name = "/".join(place.parts)
        folders[name] = Folder(path, name, files, tuple(strange))
    return folders


def _entries(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return sorted((one for one in entries if _is_text(one.name)), key=lambda one: one.name)
    except OSError:
        return []


def _is_text(name: str) -> bool:
    """Return whether a name can be written into a page; on Linux names are bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_latest(entry: os.DirEntry[str]) -> bool:
    """Return whether a link is what a run leaves beside its folder, to a folder there."""
    target = os.readlink(entry.path)
    if entry.name != LATEST or target in ("", ".", "..") or Path(target).name != target:
        return False
    beside = Path(entry.path).with_name(target)
    return beside.is_dir() and not beside.is_symlink()
