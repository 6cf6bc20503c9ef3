"""Installed distributions, and how they come from the main environment into another.

What the main environment has, and fits, is not downloaded again: its files get a second name (a
hard link) in the new environment, as uv does it from its cache. pip replaces files and never
writes into one, so neither environment notices what it does to the other.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PathDistribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from matsciml_core.errors import ConfigError
from matsciml_core.registry.installed import CORE, InstalledVersions, metadata_by_name
from matsciml_core.registry.requirements import Unmet, applicable, unmet

_RECORD = "RECORD"


class Packages:
    """The distributions in some folders of the import path.

    Args:
        path: The folders; None: those of this process.
    """

    def __init__(self, path: Sequence[str] | None = None) -> None:
        """List the folders."""
        self.folders = metadata_by_name(sys.path if path is None else path)
        """Metadata folders by canonical name."""
        self.installed = InstalledVersions([], folders=self.folders)

    def versions(self) -> dict[str, str]:
        """Return the version of each distribution."""
        found = ((name, self.installed.version(name)) for name in sorted(self.folders))
        return {name: version for name, version in found if version}

    def requires(self, name: str, extras: Sequence[str] = ()) -> list[str]:
        """Return what a distribution requires here, as lines without markers.

        Args:
            name: The distribution.
            extras: Its extras that were asked for.
        """
        lines = self.installed.requires(name) or ()
        chosen = [line for _, line in applicable(lines)]
        for requirement in map(Requirement, lines) if extras else ():
            marker = requirement.marker
            if marker is not None and any(marker.evaluate({"extra": extra}) for extra in extras):
                requirement.marker = None
                chosen.append(str(requirement))
        return list(dict.fromkeys(chosen))

    def extras(self, name: str) -> list[str]:
        """Return the extras that a distribution has."""
        headers = PathDistribution(Path(self.folders[name])).metadata
        return [canonicalize_name(extra) for extra in headers.get_all("Provides-Extra", ())]

    def family(self) -> list[str]:
        """Return the core and everything that requires it."""
        return [name for name in self.folders if name == CORE or self._is_built_on_the_core(name)]

    def exact(self, name: str) -> str:
        """Return the requirement that a distribution, as its metadata have it, alone meets."""
        stem = os.path.splitext(os.path.basename(self.folders[name]))[0]
        return f"{name}=={stem.partition('-')[2]}"

    def is_listed(self, name: str) -> bool:
        """Return whether it is written down which files a distribution has."""
        return os.path.isfile(os.path.join(self.folders[name], _RECORD))

    def damaged(self) -> Iterator[str]:
        """Yield the distributions of which a module has gone, as after removing it by hand.

        Only the uppermost modules are looked for: all files of all packages are a hundred thousand.
        """
        for name in filter(self.is_listed, self.folders):
            folder, metadata = os.path.split(self.folders[name])
            with open(os.path.join(folder, metadata, _RECORD), encoding="utf-8") as stream:
                files = [line.partition(",")[0] for line in stream]
            modules = [file for file in files if file.endswith(".py") and file.count("/") < 2]
            if not all(os.path.exists(os.path.join(folder, file)) for file in modules):
                yield name

    def _is_built_on_the_core(self, name: str) -> bool:
        names = (re.match(r"[\w.-]*", line) for line in self.installed.requires(name) or ())
        return any(match is not None and canonicalize_name(match[0]) == CORE for match in names)


def needed(
    name: str, source: Packages, target: Packages, extras: Sequence[str] = ()
) -> tuple[list[str], list[Unmet]]:
    """Return what has to come along with a distribution, and what keeps it from coming.

    Args:
        name: A distribution of the source.
        source: Where it is installed.
        target: Where it shall be; what is there already stays as it is.
        extras: Its extras that are asked for.

    Returns:
        Distributions of the source, the one itself last; requirements that neither meets.
    """
    chosen: list[str] = []
    problems: list[Unmet] = []
    first = canonicalize_name(name)
    pending = [(first, tuple(extras))]
    seen = {pending[0]}
    while pending:
        current, current_extras = pending.pop()
        if current not in chosen:
            chosen.insert(0, current)
        if not source.is_listed(current):
            reason = f"needs {current}, of which nobody wrote down the files"
            problems.append(Unmet(requirement=current, reason=reason))
        for line in source.requires(current, current_extras):
            requirement = Requirement(line)
            key = canonicalize_name(requirement.name)
            holder = target if key in target.folders else source
            item = (key, tuple(sorted(requirement.extras)))
            lacking = unmet([line], holder.installed)
            # With what others lack here, too, the source lives as it is.
            if current == first or not unmet([line], source.installed):
                problems += lacking
            if not lacking and holder is source and item not in seen:
                seen.add(item)
                pending.append(item)
    return chosen, problems


def link(name: str, source: Packages, site: Path) -> None:
    """Give the files of a distribution a second name in another environment.

    The list of files comes last: where it is, all others are. Scripts, and what else lies outside
    the folder of packages, are left out.

    Args:
        name: The distribution.
        source: Where it is installed.
        site: Folder of packages of the other environment.

    Raises:
        ConfigError: Nobody wrote down which files it has, or they cannot be linked.
    """
    folder, metadata = os.path.split(source.folders[canonicalize_name(name)])
    record = f"{metadata}/{_RECORD}"
    if (site / record).exists():
        return
    made: set[str] = set()
    try:
        # Thousands of files: text costs a tenth of what paths as objects do.
        for file in (*_files(folder, record), record):
            target = os.path.join(site, file)
            parent = os.path.dirname(target)
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            _second_name(os.path.join(folder, file), target)
    except OSError as error:
        raise ConfigError(
            f"'{name}' cannot be brought into '{site}' ({error.strerror}: {error.filename}); "
            f"reinstall it with 'pip install --force-reinstall {name}', or free some space."
        ) from error


def discard_unfinished(site: Path) -> list[str]:
    """Remove the metadata of distributions whose installation was cut off, so that it is repeated.

    Args:
        site: Folder of packages.

    Returns:
        The names of the removed folders.
    """
    removed = []
    for metadata in sorted(site.glob("*.dist-info")):
        # pip and uv add this line when all files are there.
        if "INSTALLER" not in _text(metadata / _RECORD):
            shutil.rmtree(metadata)
            removed.append(metadata.name)
    return removed


def _files(folder: str, record: str) -> Iterator[str]:
    """Yield the files of a distribution within the folder of packages, but for the record."""
    with open(os.path.join(folder, record), encoding="utf-8", newline="") as stream:
        for path, *_ in filter(None, csv.reader(stream)):
            inside = not os.path.isabs(path) and ".." not in path.split("/")
            if inside and path != record and os.path.isfile(os.path.join(folder, path)):
                yield path


def _second_name(file: str, target: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(target)  # of an attempt that was cut off
    try:
        os.link(file, target)
    except OSError:  # the data lie on another disk
        shutil.copy(file, target)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
