"""Find plugins: the entry points of the group ``matsciml.plugins``.

The only module that uses the ``entrypoints`` package. Whatever replaces it one day only has to
return :class:`EntryPoint` records.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matsciml_core.registry._metadata import (
    egg_requirements,
    read_headers,
    stem,
)
from matsciml_core.registry.installed import metadata_by_name

if TYPE_CHECKING:
    from configparser import ConfigParser

GROUP = "matsciml.plugins"
"""The entry-point group in which a plugin's distribution names its plugin module."""

_HEADER = re.compile(rb"\[([^\[\]]+)\]")
_PAIR = re.compile(rb"([\w.+-]+) *= *(\w+(?:\.\w+)*)(?::(\w+(?:\.\w+)*))?")
"""Name, module and object, as pip writes them."""


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


def scan(
    path: Sequence[str] | None = None, *, folders: Mapping[str, str] | None = None
) -> tuple[EntryPoint, ...]:
    """Find the entry points of all plugins, without importing any of them.

    A distribution found earlier on the path hides those of the same name found later, as it does
    for imports. Metadata that cannot be read never stops the scan: where it belongs to a plugin,
    the record says so in ``fault``, and any other is passed over.

    Args:
        path: Folders to search; None: ``sys.path``.
        folders: What ``metadata_by_name`` returns for that path, where it is at hand.

    Returns:
        The entry points, sorted by name, then by distribution.

    >>> scan(path=[])
    ()
    """
    searched = sys.path if path is None else path
    folders = metadata_by_name(searched) if folders is None else folders
    entries = [entry for metadata in folders.values() for entry in _read(metadata)]
    for folder in searched:
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
    # Most of the others have entry points of other groups; parsing them all would cost a tenth of
    # the start-up time.
    if GROUP.encode() not in text:
        return
    distribution = _read_distribution(metadata)
    plain = _plain_entries(text)
    if plain is not None:
        yield from (_entry(name, *value, distribution) for name, value in plain.items())
    else:
        yield from _parse(text, file, distribution)


def _plain_entries(text: bytes) -> dict[str, tuple[str, str]] | None:
    """Return module and object of our group by name; None: only a parser can tell.

    Importing the parser takes longer than reading the files of all plugins in this way.
    """
    entries: dict[str, tuple[str, str]] = {}
    section, keys = b"", set()
    for line in text.splitlines():
        header = _HEADER.fullmatch(line)
        pair = _PAIR.fullmatch(line)
        if header is not None:
            section, key = header[1], (header[1], b"")
        elif pair is not None and section:
            key = (section, pair[1])
            if section == GROUP.encode():
                entries[pair[1].decode()] = (pair[2].decode(), (pair[3] or b"").decode())
        elif line:
            return None
        else:
            continue
        if key in keys:  # an error, which the parser explains
            return None
        keys.add(key)
    return entries


def _parse(text: bytes, file: str, distribution: _Distribution) -> Iterator[EntryPoint]:
    """Parse entry points that are not plain: with comments, extras or mistakes."""
    import entrypoints

    try:
        parser = entrypoints.CaseSensitiveConfigParser(delimiters=("=",), interpolation=None)
        parser.read_string(text.decode("utf-8"))
        yield from _parsed(parser, distribution)
    except _unreadable() as error:
        yield EntryPoint(
            name=distribution.name,
            module="",
            distribution=distribution.name,
            version=distribution.version,
            fault=f"its entry points in {file} cannot be read: {' '.join(str(error).split())}",
        )


def _read_archive(file: str) -> Iterator[EntryPoint]:
    """Read the plugins of a zip archive on the path; their requirements are not known."""
    import entrypoints

    try:
        for parser, distro in entrypoints.iter_files_distros(path=[file]):
            yield from _parsed(parser, _Distribution(distro.name, distro.version or "", ()))
    except _unreadable():
        return


def _parsed(parser: ConfigParser, distribution: _Distribution) -> list[EntryPoint]:
    import entrypoints

    items = parser.items(GROUP) if parser.has_section(GROUP) else []
    parsed = [entrypoints.EntryPoint.from_string(value, name) for name, value in items]
    return [
        _entry(entry.name, entry.module_name, entry.object_name or "", distribution)
        for entry in parsed
    ]


def _entry(name: str, module: str, attribute: str, distribution: _Distribution) -> EntryPoint:
    return EntryPoint(
        name=name,
        module=module,
        attribute=attribute,
        distribution=distribution.name,
        version=distribution.version,
        requires=distribution.requires,
    )


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what reading the entry points of a distribution may raise."""
    import configparser

    import entrypoints

    return (OSError, ValueError, KeyError, configparser.Error, entrypoints.BadEntryPoint)


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
