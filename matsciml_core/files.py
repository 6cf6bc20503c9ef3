"""Files that are written whole or not at all, so that a killed process leaves no half of one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: it is the old one or the new one, after a power cut too."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)


def write_json(path: Path, data: Any) -> None:
    """Write data as JSON in one step."""
    write_whole(path, f"{json.dumps(data, indent=1, ensure_ascii=False)}\n".encode())


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is none, or none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def hash_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
