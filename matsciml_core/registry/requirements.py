"""Compare what a plugin requires with what is installed, before importing it.

Most requirements are as plain as ``numpy>=1.26,<3`` and met, which a regular expression tells.
``packaging`` decides about all others; importing it takes a tenth of the time that ``--help`` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import ge, lt, ne
from typing import TYPE_CHECKING

from matsciml_core.registry.installed import InstalledVersions

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_BOUND = r"(?:>=|<|!=)\s*\d+(?:\.\d+)*"
_ANY_BOUND = r"(?:===?|~=|!=|[<>]=?)\s*[\w.*+!-]+"
_PLAIN = re.compile(rf"\s*({_NAME})\s*((?:{_BOUND}\s*,\s*)*{_BOUND})?\s*")
_RELEASE = re.compile(r"(\d+(?:\.\d+)*)(?:\+[a-z0-9.]+)?")
"""A final release. A local part, such as ``+cpu``, makes no difference to the three operators."""
_READABLE = re.compile(
    rf"\s*({_NAME})\s*(?:\[[\w\s.,-]*\])?\s*(?:{_ANY_BOUND}\s*,\s*)*(?:{_ANY_BOUND})?\s*"
)
"""A requirement without marker or address. Where it is not installed, bounds need no comparison."""
_OF_EXTRA = re.compile(r""".*;\s*extra\s*==\s*(['"])[\w.-]+\1\s*""")

_Release = tuple[int, ...]
_COMPARE: dict[str, Callable[[_Release, _Release], bool]] = {">=": ge, "<": lt, "!=": ne}


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


def unmet(requirements: Iterable[str], installed: InstalledVersions) -> tuple[Unmet, ...]:
    """Return the requirements that are not met, in their order.

    Environment markers are honoured, requirements of extras are skipped, and only direct
    requirements are looked at: pip has dealt with the rest.

    Args:
        requirements: Lines as in ``Requires-Dist``, for example ``"e3nn>=0.5; os_name=='posix'"``.
        installed: Where to look versions up.

    Returns:
        One record for each that is missing, of the wrong version, or unreadable.
    """
    doubtful = (
        line
        for line in requirements
        if not (_OF_EXTRA.fullmatch(line) or _is_plainly_met(line, installed))
    )
    checked = (_check(line, installed) for line in doubtful)
    return tuple(problem for problem in checked if problem is not None)


def applicable(requirements: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and line of the requirements that hold here without any extra."""
    for line in requirements:
        plain = _PLAIN.fullmatch(line)
        if plain is not None:
            yield plain[1], line
        elif not _OF_EXTRA.fullmatch(line):
            from packaging.requirements import Requirement

            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement.name, line


def _is_plainly_met(line: str, installed: InstalledVersions) -> bool:
    """Whether a requirement is met beyond doubt; False: it is not, or only packaging can tell."""
    plain = _PLAIN.fullmatch(line)
    version = None if plain is None else installed.version(plain[1])
    release = None if version is None else _RELEASE.fullmatch(version)
    if plain is None or release is None:
        return False
    # Requirements of one operator each, of releases alone: tuples compare as PEP 440 says.
    bounds = re.findall(r"(>=|<|!=)\s*([\d.]+)", plain[2] or "")
    return all(_COMPARE[operator](_parts(release[1]), _parts(bound)) for operator, bound in bounds)


def _parts(release: str) -> _Release:
    """Return the numbers of a release without zeros at its end, because 1.4 and 1.4.0 are one."""
    return tuple(map(int, re.sub(r"(\.0+)+$", "", release).split(".")))


def _check(line: str, installed: InstalledVersions) -> Unmet | None:
    # What is missing needs no comparison, and so no parser.
    readable = _READABLE.fullmatch(line)
    if readable is not None and installed.version(readable[1]) is None:
        return _absent("".join(line.split()))
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        reason = f"has the requirement '{line}', which cannot be read"
        return Unmet(requirement=line, reason=reason, plugin_at_fault=True)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    version = installed.version(requirement.name)
    needed = f"{requirement.name}{requirement.specifier}"
    if version is None:
        return _absent(needed)
    if _allows(requirement.specifier, version):
        return None
    return Unmet(
        requirement=needed,
        reason=f"needs {needed}, and {version} is installed",
        plugin_at_fault=_allows(_lower_bounds(requirement.specifier), version),
    )


def _absent(requirement: str) -> Unmet:
    return Unmet(requirement=requirement, reason=f"needs {requirement}, which is not installed")


def _allows(specifier: SpecifierSet, version: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # a version outside PEP 440 cannot be compared, so pip's word is taken


def _lower_bounds(specifier: SpecifierSet) -> SpecifierSet:
    """Keep what must be reached: ``>=1,<2`` → ``>=1``, ``==1.4`` and ``~=1.4`` → ``>=1.4``."""
    from packaging.specifiers import SpecifierSet

    # What is newer than allowed tells of an old plugin, what is older of an old package.
    bounds = []
    for part in specifier:
        if part.operator in (">", ">="):
            bounds.append(str(part))
        elif part.operator in ("==", "~="):
            bounds.append(f">={part.version.removesuffix('.*')}")
    return SpecifierSet(",".join(bounds))
