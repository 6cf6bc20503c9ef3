"""The distributions that are installed: their versions and requirements."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from matsciml_core.registry._metadata import find_version, metadata_folders, read_headers, stem

CORE = "matsciml"
"""Name of the distribution that this module belongs to."""

# The package re-exports every layer, so that importing it here would tie the registry to them all.
_PACKAGE = sys.modules[__name__.partition(".")[0]]


def canonical_name(distribution: str) -> str:
    """Return the name of a distribution in the spelling of PEP 503.

    ``packaging`` has this, too, but imports logging, platform and subprocess beside it.

    >>> canonical_name("Matsciml_Data.Mine")
    'matsciml-data-mine'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def metadata_by_name(path: Iterable[str]) -> dict[str, str]:
    """Return the metadata folders on a path by the canonical names of their distributions.

    The first one of a name hides those that follow, as it does for imports.
    """
    folders: dict[str, str] = {}
    for folder in path:
        for metadata in metadata_folders(folder):
            folders.setdefault(canonical_name(stem(metadata)[0]), metadata)
    return folders


class InstalledVersions:
    """The versions that are installed, each looked up once."""

    def __init__(
        self, path: Sequence[str] | None = None, *, folders: Mapping[str, str] | None = None
    ) -> None:
        """Search ``path``, if there is one, before ``sys.path``.

        Args:
            path: Folders that come before those of ``sys.path``.
            folders: What :func:`metadata_by_name` returns for all of these, where it is at hand.
        """
        self._listed = folders
        self._path = [*(path or ()), *sys.path]
        # The core that runs is the one that counts: the metadata of an editable install keep
        # the version of the day it was installed.
        self._versions: dict[str, str | None] = {CORE: _PACKAGE.__version__}

    def version(self, name: str) -> str | None:
        """Return the installed version of a distribution, or None where there is none."""
        key = canonical_name(name)
        if key not in self._versions:
            self._versions[key] = self._look_up(key)
        return self._versions[key]

    def metadata(self, name: str) -> str | None:
        """Return the metadata folder of a distribution, or None where there is none."""
        return self._folders.get(canonical_name(name))

    def direct_url(self, name: str) -> Mapping[str, Any]:
        """Return where pip got a distribution from, in the form of PEP 610; empty: an index."""
        import json  # no other command needs it

        metadata = self.metadata(name)
        try:
            with open(os.path.join(metadata or "", "direct_url.json"), encoding="utf-8") as file:
                data = json.load(file)
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def requires(self, name: str) -> tuple[str, ...] | None:
        """Return what a distribution requires, or None where it has no metadata."""
        metadata = self.metadata(name)
        headers = {} if metadata is None else read_headers(metadata)
        return tuple(headers.get("Requires-Dist", ())) if headers else None

    def _look_up(self, key: str) -> str | None:
        metadata = self._folders.get(key)
        # A wheel states its version in the name of the folder, which costs no reading.
        if metadata is not None and os.path.isfile(os.path.join(metadata, "METADATA")):
            return stem(metadata)[1]
        # Importing importlib.metadata takes longer than all the rest of a light command, so it is
        # asked only where the listing of folders does not tell.
        # It does not tell what an egg or a zip file on the path holds.
        archives = (path for path in self._path if path.endswith(".egg") or os.path.isfile(path))
        if metadata is not None or any(archives):
            return find_version(key, self._path)
        return None

    @cached_property
    def _folders(self) -> dict[str, str]:
        return metadata_by_name(self._path) if self._listed is None else dict(self._listed)
