"""Fill an environment: from the main one where that fits, and by an installer where not."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from matsciml_core.errors import ConfigError
from matsciml_tool_env.index import PluginEnvironment
from matsciml_tool_env.installer import Say, bring_pip, install, needs_pip
from matsciml_tool_env.packages import Packages, link, needed
from matsciml_tool_env.sources import Source, check_extras

_CONSTRAINTS = "constraints.txt"


class Filling:
    """The filling of one environment.

    Args:
        environment: An environment; it has an interpreter when something is brought.
        say: Is told what is being done.
    """

    def __init__(self, environment: PluginEnvironment, say: Say) -> None:
        """Look at what is installed here."""
        self._environment = environment
        self._say = say
        self._main = Packages()
        self._family = self._main.family()

    def check(self, requirements: Sequence[Requirement | Source]) -> None:
        """Reject what could not be brought, before anything is made.

        What is not installed here is known to the installer only, which complains later.

        Args:
            requirements: By name, or by where they lie.

        Raises:
            ConfigError: One has no such extra, or is here without a list of its files.
        """
        for requirement in filter(self._is_here, _by_name(requirements)):
            name = canonicalize_name(requirement.name)
            check_extras(str(requirement), requirement.extras, self._main.extras(name))
            if not self._main.is_listed(name):
                raise ConfigError(
                    f"'{name}' runs from its sources without being installed, so that it cannot be "
                    "brought along; run 'pip install -e .' in their folder."
                )

    def bring(self, requirements: Sequence[Requirement | Source]) -> None:
        """Bring the requirements, and what they need in turn.

        Args:
            requirements: By name, or by where they lie; they were checked.

        Raises:
            ConfigError: One cannot be installed.
        """
        asked = [
            str(one) for one in requirements if isinstance(one, Source) or not self._is_here(one)
        ]
        # Plugins that one in a folder or wheel requires are taken from here like those by name:
        # an index need not have them.
        for requirement in filter(self._is_here, _by_name(requirements)):
            name = canonicalize_name(requirement.name)
            self._say(f"Linking {name}")
            names, problems = needed(
                name, self._main, self._there(), tuple(sorted(requirement.extras))
            )
            chosen = names if self._same_python else [one for one in names if self._is_own(one)]
            self._link(chosen)
            asked += [problem.requirement for problem in problems]
            if not self._same_python:
                asked += [line for one in chosen for line in self._main.requires(one)]
        if asked:
            self._bring_installer()
            there = self._there()
            # Named again, so that nothing is installed which contradicts them.
            own = [there.exact(name) for name in there.family()]
            # An index has a release under its own name, whatever build of it is here.
            pins = {
                name: version.partition("+")[0]
                for name, version in self._main.versions().items()
                if name not in self._family
            }
            constraints = self._environment.folder / _CONSTRAINTS
            install(self._environment, [*own, *asked], pins, constraints, self._say)

    def bring_what_gets_along(self) -> dict[str, str]:
        """Bring the other plugins of the main environment, as far as no package is in their way.

        Returns:
            Those that were left out, each with the reason.
        """
        left_out = {}
        for name in self._family:
            there = self._there()
            if name in there.folders:
                continue
            names, problems = needed(name, self._main, there)
            reasons = [problem.reason for problem in problems]
            if not self._same_python:
                others = [one for one in names if not self._is_own(one)]
                reasons += [f"needs {one}, which is not installed" for one in others]
            if reasons:
                left_out[name] = reasons[0]
            else:
                self._say(f"Linking {name}")
                self._link(names)
        return left_out

    def _bring_installer(self) -> None:
        if not needs_pip(self._environment):
            return
        listed = "pip" in self._main.folders and self._main.is_listed("pip")
        if listed and self._same_python:
            self._link(["pip"])
        else:
            bring_pip(self._environment)

    @property
    def _same_python(self) -> bool:
        """Whether compiled modules fit: they are for one release of Python."""
        release = "python{}.{}".format(*sys.version_info)
        return self._environment.site.parent.name == release

    def _there(self) -> Packages:
        return Packages([str(self._environment.site)])

    def _is_own(self, name: str) -> bool:
        return name in self._family

    def _is_here(self, requirement: Requirement) -> bool:
        """Whether the main environment has it, as a part or a plugin of the core."""
        name = canonicalize_name(requirement.name)
        if requirement.url or not self._is_own(name):
            return False
        version = self._main.installed.version(name)
        return version is not None and requirement.specifier.contains(version, prereleases=True)

    def _link(self, names: Sequence[str]) -> None:
        there = self._there().folders
        for name in names:
            if name not in there:
                link(name, self._main, self._environment.site)


def _by_name(requirements: Sequence[Requirement | Source]) -> list[Requirement]:
    """Return requirements by name, those of what lies in folders and wheels first."""
    sources = [one for one in requirements if isinstance(one, Source)]
    named = [one for one in requirements if isinstance(one, Requirement)]
    return [*(one for source in sources for one in source.requirements()), *named]
