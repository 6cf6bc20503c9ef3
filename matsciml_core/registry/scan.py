"""Find plugins: the entry points of the group ``matsciml.plugins``.

The only module that uses the ``entrypoints`` package. Whatever replaces it one day only has to
return :class:`EntryPoint` records.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import entrypoints

from matsciml_core.registry._metadata import (
    egg_requirements,
    metadata_folders,
    read_headers,
    stem,
)
from matsciml_core.registry.installed import canonical_name

GROUP = "matsciml.plugins"
"""The entry-point group in which a plugin's distribution names its plugin module."""

_UNREADABLE = (OSError, ValueError, KeyError, configparser.Error, entrypoints.BadEntryPoint)


@dataclass(frozen=True, kw_only=True)
class EntryPoint:
    """One entry point, with what the manager needs to know about its distribution."""

    name: str
    """Name of the entry point, or of the distribution where the entry point is unreadable."""
    module: str
    """Import path of the plugin module; empty where the entry point is unreadable."""
    attribute: str = ""
    """Object within the module that holds the hooks; empty: the module itself."""
    distribution: str
    """Name of the distribution, as pip knows it."""
    version: str = ""
    requires: tuple[str, ...] = ()
    """The distribution's ``Requires-Dist`` lines."""
    fault: str = ""
    """Why the entry point cannot be used; empty where it can."""


@dataclass(frozen=True)
class _Distribution:
    name: str
    version: str
    requires: tuple[str, ...]


def scan(path: Sequence[str] | None = None) -> tuple[EntryPoint, ...]:
    """Find the entry points of all plugins, without importing any of them.

    A distribution found earlier on the path hides those of the same name found later, as it does
    for imports. Metadata that cannot be read never stops the scan: where it belongs to a plugin,
    the record says so in ``fault``, and any other is passed over.

    Args:
        path: Folders to search; None: ``sys.path``.

    Returns:
        The entry points, sorted by name, then by distribution.

    >>> scan(path=[])
    ()
    """
    entries: list[EntryPoint] = []
    distributions: set[str] = set()
    for folder in sys.path if path is None else path:
        for metadata in metadata_folders(folder):
            distribution = canonical_name(stem(metadata)[0])
            if distribution not in distributions:
                distributions.add(distribution)
                entries.extend(_read(metadata))
        if os.path.isfile(folder):  # zipped packages, as zipapp and some clusters use them
            entries.extend(_read_archive(folder))
    return tuple(sorted(entries, key=lambda entry: (entry.name, entry.distribution, entry.module)))


def _read(metadata: str) -> Iterator[EntryPoint]:
    file = os.path.join(metadata, "entry_points.txt")
    try:
        with open(file, "rb") as stream:
            text = stream.read()
    except OSError:
        return  # most distributions have no entry points at all
    # Most distributions have entry points of other groups; parsing them all would cost a tenth
    # of the start-up time.
    if GROUP.encode() not in text:
        return
    distribution = _read_distribution(metadata)
    try:
        parser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",), interpolation=None)
        parser.read_string(text.decode("utf-8"))
        yield from _entries(parser, distribution)
    except _UNREADABLE as error:
        yield EntryPoint(
            name=distribution.name,
            module="",
            distribution=distribution.name,
            version=distribution.version,
            fault=f"its entry points in {file} cannot be read: {' '.join(str(error).split())}",
        )


def _entries(
    parser: configparser.ConfigParser, distribution: _Distribution
) -> Iterator[EntryPoint]:
    if not parser.has_section(GROUP):
        return
    parsed = [
        entrypoints.EntryPoint.from_string(value, name) for name, value in parser.items(GROUP)
    ]
    for entry in parsed:
        yield EntryPoint(
            name=entry.name,
            module=entry.module_name,
            attribute=entry.object_name or "",
            distribution=distribution.name,
            version=distribution.version,
            requires=distribution.requires,
        )


def _read_distribution(metadata: str) -> _Distribution:
    headers = read_headers(metadata)
    name, version = stem(metadata)
    requires = tuple(headers.get("Requires-Dist", ()))
    # Installed by setuptools in development mode: requirements lie in a file of their own.
    if metadata.endswith(".egg-info") and not requires:
        requires = egg_requirements(metadata)
    return _Distribution(
        name=headers.get("Name", [name])[0],
        version=headers.get("Version", [version])[0],
        requires=requires,
    )


def _read_archive(file: str) -> Iterator[EntryPoint]:
    """Read the plugins of a zip archive on the path; their requirements are not known."""
    try:
        for parser, distro in entrypoints.iter_files_distros(path=[file]):
            yield from _entries(parser, _Distribution(distro.name, distro.version or "", ()))
    except _UNREADABLE:
        return
