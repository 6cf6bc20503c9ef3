"""What ``doctor`` says of environments, and of plugins that need one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from matsciml_core import Check, Registry
from matsciml_core.registry.environments import current_environment
from matsciml_core.registry.installed import canonical_name
from matsciml_core.registry.requirements import applicable, unmet
from matsciml_tool_env.index import environments, spec_of
from matsciml_tool_env.making import requirements_of
from matsciml_tool_env.packages import Packages

_AREA = "environments"


@dataclass(frozen=True)
class Demand:
    """What a distribution demands of another one."""

    plugin: str
    """The distribution of the plugin that brought it, which may be itself."""
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
        words = " ".join(requirements_of(environment)) or "REQUIREMENT"
        yield Check(
            area=_AREA,
            name=environment.name,
            state="warning",
            detail="is damaged, or was not made to its end; nothing of it is used",
            fix=f"Run: matsciml env remove {environment.name} && matsciml env create "
            f"{environment.name} {words}",
        )
    plugins = [plugin.distribution for plugin in registry.plugins if plugin.module]
    for first, second in conflicts(Packages(), plugins):
        name = first.plugin.rpartition("-")[2]
        yield Check(
            area=_AREA,
            name=f"{first.distribution} and {second.distribution}",
            state="failed",
            detail=f"{first.distribution} {first.version} wants {first.package}{first.bounds}, "
            f"{second.distribution} {second.version} {second.bounds}; 'matsciml env create {name} "
            f"{first.plugin}' gives it its own",
            fix=f"Run: pip uninstall {first.plugin} && matsciml env create {name} {first.plugin} "
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
        for required, line in applicable(packages.installed.requires(name) or ()):
            package = canonical_name(required)
            demands.setdefault(package, []).append(Demand(brought_by[name], name, version, line))
            if package in packages.folders and package not in brought_by:
                brought_by[package] = brought_by[name]
                pending.append(package)
    return demands


def _compatible(first: SpecifierSet, second: SpecifierSet) -> bool:
    """Return whether any version could meet both: one of those at their bounds, or just above."""
    bounds = [part.version.removesuffix(".*") for part in (*first, *second)]
    candidates = [*bounds, *(f"{bound}.0.1" for bound in bounds), "0", "0.0.1"]
    both = first & second
    return any(both.contains(candidate, prereleases=True) for candidate in candidates)
