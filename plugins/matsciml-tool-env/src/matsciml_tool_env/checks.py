"""What ``doctor`` says of environments, and of plugins that need one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from matsciml_core import Check, Registry
from matsciml_core.registry.environments import current_environment
from matsciml_core.registry.installed import canonical_name
from matsciml_core.registry.requirements import applicable, unmet
from matsciml_tool_env.index import environments, spec_of
from matsciml_tool_env.making import making_of
from matsciml_tool_env.packages import Packages

_AREA = "environments"


@dataclass(frozen=True)
class Demand:
    """What a distribution demands of another one."""

    plugin: str
    """What brought it, as pip takes it: a plugin, which may be itself, or an extra of one."""
    distribution: str
    version: str
    line: str
    """The requirement."""

    @property
    def bounds(self) -> SpecifierSet:
        """The versions that will do."""
        return Requirement(self.line).specifier

    @property
    def package(self) -> str:
        """The distribution of which something is demanded."""
        return Requirement(self.line).name


def checks(registry: Registry) -> Iterator[Check]:
    """Check that plugins get along, and that environments are whole."""
    if current_environment() is not None:
        return
    for environment in environments():
        spec = spec_of(environment)
        if spec is not None:
            detail = f"{len(spec.offers)} components, {spec.summary.lower()}"
            yield Check(area=_AREA, name=environment.name, detail=detail)
            continue
        yield Check(
            area=_AREA,
            name=environment.name,
            state="warning",
            detail="is damaged, or was not made to its end; nothing of it is used",
            fix=f"Run: matsciml env remove {environment.name} && {making_of(environment)}",
        )
    plugins = [plugin.distribution for plugin in registry.plugins if plugin.module]
    for first, second in conflicts(Packages(), plugins):
        plugin, extra, _ = first.plugin.partition("[")
        create = f"matsciml env create {plugin.rpartition('-')[2]} {shlex.quote(first.plugin)}"
        # Without its extra a plugin gets along with everything.
        unwanted = first.distribution if extra else plugin
        yield Check(
            area=_AREA,
            name=f"{first.distribution} and {second.distribution}",
            state="failed",
            detail=f"{first.distribution} {first.version} wants {first.package}{first.bounds}, "
            f"{second.distribution} {second.version} {second.bounds}; `{create}` gives it its own",
            fix=f"Run: pip uninstall {unwanted} && {create} "
            f"&& pip install '{second.package}{second.bounds}'",
        )


def conflicts(packages: Packages, plugins: list[str]) -> Iterator[tuple[Demand, Demand]]:
    """Yield demands that are not met and cannot be, each with one that is met and in its way.

    Args:
        packages: What is installed.
        plugins: Distributions with plugins.
    """
    demands = _demands(packages, plugins)
    for package, of_package in demands.items():
        lacking = [demand for demand in of_package if unmet([demand.line], packages.installed)]
        # Where all is well, which is nearly everywhere, nothing is parsed.
        if not lacking or packages.installed.version(package) is None:
            continue
        met = [demand for demand in of_package if demand not in lacking]
        for demand in lacking:
            for other in met:
                if not _compatible(demand.bounds, other.bounds):
                    yield demand, other
                    break


def _demands(packages: Packages, plugins: list[str]) -> dict[str, list[Demand]]:
    """Return what plugins, and everything that they require, demand of each distribution."""
    brought_by = {canonical_name(plugin): plugin for plugin in plugins}
    pending = list(brought_by)
    demands: dict[str, list[Demand]] = {}
    while pending:
        name = pending.pop()
        version = packages.installed.version(name) or ""
        for owner, line in _lines(packages, name, brought_by[name]):
            package = canonical_name(Requirement(line).name)
            demands.setdefault(package, []).append(Demand(owner, name, version, line))
            if package in packages.folders and package not in brought_by:
                brought_by[package] = owner
                pending.append(package)
    return demands


def _lines(packages: Packages, name: str, owner: str) -> Iterator[tuple[str, str]]:
    """Yield what a distribution requires, each after what brought it.

    Nobody notes which extras were asked for. One of a plugin counts where what it brings is here.
    """
    always = [line for _, line in applicable(packages.installed.requires(name) or ())]
    yield from ((owner, line) for line in always)
    if canonical_name(owner) == name:
        for extra in packages.extras(name):
            for line in packages.requires(name, [extra]):
                if (
                    line not in always
                    and canonical_name(Requirement(line).name) in packages.folders
                ):
                    yield f"{owner}[{extra}]", line


def _compatible(first: SpecifierSet, second: SpecifierSet) -> bool:
    """Return whether any version could meet both: one of those at their bounds, or just above."""
    bounds = [part.version.removesuffix(".*") for part in (*first, *second)]
    candidates = [*bounds, *(f"{bound}.0.1" for bound in bounds), "0", "0.0.1"]
    both = first & second
    return any(both.contains(candidate, prereleases=True) for candidate in candidates)
