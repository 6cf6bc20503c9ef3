"""Distributions that are named by where they lie: folders, wheels and archives of sources."""

from __future__ import annotations

import os
import re
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import HeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from matsciml_core.errors import ConfigError

_ARCHIVES = (".whl", ".tar.gz", ".zip")
_PROJECTS = ("pyproject.toml", "setup.py")
_EXTRAS = re.compile(r"(?P<path>.+?)\[(?P<extras>[\w., -]*)\]")


@dataclass(frozen=True)
class Source:
    """A distribution in a folder or archive, as pip takes it: ``./mine[extra]``."""

    path: str
    """Absolute, so that it means the same wherever the command is repeated."""
    extras: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it as installers take it."""
        return f"{self.path}[{','.join(self.extras)}]" if self.extras else self.path

    def requirements(self) -> list[Requirement]:
        """Return what it requires here, without markers.

        Nothing of it is run. What cannot be read without that, or not at all, is left to the
        installer, and so is the complaint about it.

        Raises:
            ConfigError: It has no such extra.
        """
        try:
            read = _of_wheel if self.path.endswith(".whl") else _of_project
            lines, extras = read(self)
            requirements = [Requirement(line) for line in lines]
        except (OSError, ValueError, LookupError, AttributeError, TypeError, zipfile.BadZipFile):
            return []
        check_extras(str(self), self.extras, extras)
        chosen = []
        for requirement in requirements:
            marker, requirement.marker = requirement.marker, None
            environments = [{"extra": extra} for extra in (*self.extras, "")]
            if marker is None or any(map(marker.evaluate, environments)):
                chosen.append(requirement)
        return chosen


def check_extras(asked: str, extras: Iterable[str], known: Iterable[str]) -> None:
    """Reject extras that a distribution does not have, of which pip says a word in passing.

    Raises:
        ConfigError: There are some.
    """
    names = [canonicalize_name(name) for name in known]
    for extra in extras:
        if canonicalize_name(extra) not in names:
            has = f"it has {', '.join(names)}" if names else "it has none"
            raise ConfigError(f"'{asked}' asks for the extra '{extra}', but {has}.")


def requirement_or_source(text: str) -> Requirement | Source:
    """Return what a user asks for, by name or by where it lies.

    Raises:
        ConfigError: It is neither, or nothing that can be installed lies there.
    """
    split = None if os.path.exists(text) else _EXTRAS.fullmatch(text)
    path = split["path"] if split else text
    if "@" in text or not path.endswith(_ARCHIVES):  # else a file reads like a name
        try:
            return Requirement(text)
        except InvalidRequirement:
            pass
    if not path or "://" in path or not (os.path.exists(path) or _looks_like_a_path(path)):
        raise ConfigError(
            f"'{text}' is neither a requirement, such as matsciml-model-mine, 'e3nn<0.5' or "
            "'mine @ https://host/mine.whl', nor the path of a folder or wheel."
        )
    if not os.path.exists(path):
        raise ConfigError(f"There is no '{path}' in '{os.getcwd()}'; give the path of what exists.")
    is_project = any(os.path.isfile(os.path.join(path, name)) for name in _PROJECTS)
    if not is_project and not (os.path.isfile(path) and path.endswith(_ARCHIVES)):
        raise ConfigError(
            f"'{path}' is neither a folder with a pyproject.toml nor a wheel; give the path of one."
        )
    extras = (part.strip() for part in (split["extras"] if split else "").split(","))
    return Source(os.path.abspath(path), tuple(sorted(filter(None, extras))))


def _looks_like_a_path(text: str) -> bool:
    return os.sep in text or text.startswith(".") or text.endswith(_ARCHIVES)


def _of_wheel(source: Source) -> tuple[list[str], list[str]]:
    """Return what a wheel requires, and the names of its extras."""
    with zipfile.ZipFile(source.path) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        headers = HeaderParser().parsestr(wheel.read(name).decode())
    return headers.get_all("Requires-Dist", []), headers.get_all("Provides-Extra", [])


def _of_project(source: Source) -> tuple[list[str], list[str]]:
    """Return what the project in a folder requires, and the names of its extras."""
    with open(os.path.join(source.path, "pyproject.toml"), "rb") as stream:
        project = tomllib.load(stream)["project"]
    if {"dependencies", "optional-dependencies"} & set(project.get("dynamic", ())):
        raise LookupError("only what builds it knows")
    extras = project.get("optional-dependencies", {})
    chosen = [line for extra in source.extras for line in extras.get(extra, ())]
    return [*project.get("dependencies", ()), *chosen], list(extras)
