"""Compare what a plugin requires with what is installed, before importing it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from matsciml_core.registry._metadata import find_version, metadata_folders, read_headers, stem

CORE = "matsciml"
"""Name of the distribution that this module belongs to."""

# The package re-exports every layer, so that importing it here would tie the registry to them all.
_PACKAGE = sys.modules[__name__.partition(".")[0]]


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """A requirement that the environment does not meet."""

    requirement: str
    reason: str
    """What is wrong, as the end of a sentence that begins with the plugin."""
    plugin_at_fault: bool = False
    """Whether the plugin must change: it is unreadable, or older than what is installed."""

    def fix(self, distribution: str) -> str:
        """Return the command that puts it right."""
        if self.plugin_at_fault:
            return f"pip install --upgrade {distribution}"
        return f"pip install '{self.requirement}'"


class InstalledVersions:
    """The versions that are installed, each looked up once."""

    def __init__(self, path: Sequence[str] | None = None) -> None:
        """Search ``path``, where given, before ``sys.path``."""
        self._path = [*(path or ()), *sys.path]
        # The core that runs is the one that counts: the metadata of an editable install keep
        # the version of the day it was installed.
        self._known: dict[str, str | None] = {CORE: _PACKAGE.__version__}

    def version(self, name: str) -> str | None:
        """Return the installed version of a distribution, or None where there is none."""
        key = canonicalize_name(name)
        if key not in self._known:
            self._known[key] = self._quick(key) or find_version(name, self._path)
        return self._known[key]

    def requires(self, name: str) -> tuple[str, ...] | None:
        """Return what a distribution requires, or None where its metadata are not found."""
        metadata = self._folders.get(canonicalize_name(name))
        headers = {} if metadata is None else read_headers(metadata)
        return tuple(headers.get("Requires-Dist", ())) if headers else None

    def _quick(self, key: str) -> str | None:
        """Take the version from the name of the metadata folder, where a wheel was installed."""
        metadata = self._folders.get(key)
        if metadata is None or not os.path.isfile(os.path.join(metadata, "METADATA")):
            return None
        return stem(metadata)[1]

    @cached_property
    def _folders(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for folder in self._path:
            for metadata in metadata_folders(folder):
                if metadata.endswith(".dist-info"):
                    found.setdefault(canonicalize_name(stem(metadata)[0]), metadata)
        return found


def unmet(requirements: Iterable[str], installed: InstalledVersions) -> tuple[Unmet, ...]:
    """Return the requirements that are not met, in the order given.

    Environment markers are honoured, requirements of extras are skipped, and only direct
    requirements are looked at: pip has dealt with the rest.

    Args:
        requirements: Lines as in ``Requires-Dist``, for example ``"e3nn>=0.5; os_name=='posix'"``.
        installed: Where to look versions up.

    Returns:
        One record for each that is missing, of the wrong version, or unreadable.
    """
    checked = (_check(text, installed) for text in requirements)
    return tuple(problem for problem in checked if problem is not None)


def _check(text: str, installed: InstalledVersions) -> Unmet | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        reason = f"has the requirement '{text}', which cannot be read"
        return Unmet(requirement=text, reason=reason, plugin_at_fault=True)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    version = installed.version(requirement.name)
    wanted = f"{requirement.name}{requirement.specifier}"
    if version is None:
        return Unmet(requirement=wanted, reason=f"needs {wanted}, which is not installed")
    if _allows(requirement.specifier, version):
        return None
    return Unmet(
        requirement=wanted,
        reason=f"needs {wanted}, and {version} is installed",
        plugin_at_fault=_allows(_lower_bounds(requirement.specifier), version),
    )


def _allows(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # a version outside PEP 440 cannot be compared, so pip's word is taken


def _lower_bounds(specifier: SpecifierSet) -> SpecifierSet:
    """Keep what must be reached: ``>=1,<2`` → ``>=1``, ``==1.4`` and ``~=1.4`` → ``>=1.4``."""
    bounds = []
    for part in specifier:
        if part.operator in (">", ">="):
            bounds.append(str(part))
        elif part.operator in ("==", "~="):
            bounds.append(f">={part.version.removesuffix('.*')}")
    return SpecifierSet(",".join(bounds))
