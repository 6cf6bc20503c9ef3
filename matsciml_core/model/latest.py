"""``latest`` beside run folders, which says which of them was made last.

It is a link; where links are not possible, it is a file that holds the name of the folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from matsciml_core.files import write_whole

LATEST = "latest"


def link_latest(folder: Path) -> None:
    """Point ``latest`` beside a run folder at it."""
    link = folder.parent / LATEST
    temporary = folder.parent / f".{LATEST}-{os.getpid()}"
    try:
        temporary.symlink_to(folder.name, target_is_directory=True)
        temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)
        if not link.is_dir():
            write_whole(link, f"{folder.name}\n".encode())


def follow_latest(path: Path) -> Path:
    """Return the folder that a file called ``latest`` names; any other path is returned as it is.

    Raises:
        OSError: The file cannot be read.
    """
    if path.name != LATEST or not path.is_file():
        return path
    name = path.read_text(encoding="utf-8").strip()
    # A folder beside it, and nothing else: the file may be a stranger's.
    return path.parent / name if name and Path(name).name == name else path
