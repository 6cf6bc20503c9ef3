"""The checks of ``matsciml doctor``. None of them imports what it looks at."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matsciml_cli.commands import COMMANDS
from matsciml_core import __version__
from matsciml_core.errors import did_you_mean
from matsciml_core.registry import environment
from matsciml_core.registry.folders import DATA_VARIABLE, data_folder
from matsciml_core.registry.installed import CORE, InstalledVersions, canonical_name
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.requirements import applicable, unmet

State = Literal["ok", "warning", "failed"]

_COMPROMISED = {
    "lightning": ("2.6.2", "2.6.3"),
    "pytorch-lightning": ("2.6.2", "2.6.3"),
}
"""Releases that stole credentials (GHSA-w37p-236h-pfx3)."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, and what was found."""

    area: str
    name: str
    state: State = "ok"
    detail: str = ""
    fix: str = ""
    """What to do about it; empty where the state is ``ok``."""


def all_checks(registry: Registry) -> Iterator[Check]:
    """Check the installation, one thing after another.

    Args:
        registry: The registry, built without ``strict``, so that every plugin is looked at.

    Yields:
        The findings, grouped by area.
    """
    yield from _interpreter()
    yield from _packages(registry.installed)
    yield from _compromised(registry.installed)
    yield from _plugins(registry)
    yield from _duplicates(registry)
    yield from _hidden_commands(registry)
    yield from _incomplete(registry)
    yield from _folders()


def _interpreter() -> Iterator[Check]:
    yield Check(area="environment", name=CORE, detail=__version__)
    yield Check(
        area="environment",
        name="python",
        detail=f"{platform.python_version()} ({sys.executable})",
    )
    # platform.platform() would start a process, for the name of the processor.
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Check(area="environment", name="platform", detail=system)


def _packages(installed: InstalledVersions) -> Iterator[Check]:
    """Check what the core itself requires, as its own metadata say."""
    lines = installed.requires(CORE)
    if lines is None:
        yield Check(
            area="packages",
            name=CORE,
            state="failed",
            detail="is run from its sources without being installed",
            fix="Run: pip install -e . in the folder of the sources",
        )
        return
    for name, line in applicable(sorted(lines, key=str.lower)):
        problems = unmet([line], installed)
        version = installed.version(name) or "not installed"
        if problems:
            needed = problems[0].requirement
            yield Check(
                area="packages",
                name=name,
                state="failed",
                detail=f"{version}, and {needed.removeprefix(name) or 'any version'} is needed",
                fix=f"Run: pip install '{needed}'",
            )
        else:
            yield Check(area="packages", name=name, detail=version)


def _compromised(installed: InstalledVersions) -> Iterator[Check]:
    for name, releases in _COMPROMISED.items():
        version = installed.version(name)
        if version in releases:
            unwanted = ",".join(f"!={release}" for release in releases)
            yield Check(
                area="security",
                name=name,
                state="failed",
                detail=f"{version} is a malicious release that steals credentials",
                fix=f"Run: pip install --upgrade '{name}{unwanted}', and replace every password, "
                "token and key that this computer has held",
            )
        elif version is not None:
            yield Check(
                area="security", name=name, detail=f"{version} is not one of the malicious releases"
            )


def _plugins(registry: Registry) -> Iterator[Check]:
    for record in registry.plugins:
        name = f"{record.entry_point} ({record.label})"
        if record.state == "failed":
            yield Check(
                area="plugins", name=name, state="failed", detail=record.reason, fix=record.fix
            )
        elif record.state == "blocked":
            yield Check(
                area="plugins", name=name, state="warning", detail=record.reason, fix=record.fix
            )
        elif record.heavy_imports:
            yield Check(
                area="plugins",
                name=name,
                state="warning",
                detail=f"{record.module} imports {', '.join(record.heavy_imports)}, which slows "
                "every command",
                fix=f"Move the import out of {record.module}, into the module that its records "
                "name",
            )
        else:
            offered = ", ".join(f"{spec.kind} {spec.name}" for spec in record.specs)
            detail = offered or "offers no component"
            if record.unused_hooks:
                detail += f"; nothing installed calls its {', '.join(record.unused_hooks)}"
            yield Check(area="plugins", name=name, detail=detail)
    yield from _restriction(registry)
    if not registry.plugins:
        yield Check(
            area="plugins",
            name="none",
            state="warning",
            detail="no plugin is installed",
            fix="Install the plugins that you need with pip",
        )


def _restriction(registry: Registry) -> Iterator[Check]:
    """Report names in ``MATSCIML_PLUGINS`` that no plugin has; they are most likely misspelt."""
    known = [name for one in registry.plugins for name in (one.entry_point, one.distribution)]
    for name in environment.names("MATSCIML_PLUGINS") or ():
        if canonical_name(name) not in map(canonical_name, known):
            yield Check(
                area="plugins",
                name=name,
                state="warning",
                detail=f"MATSCIML_PLUGINS names it, and it is not installed."
                f"{did_you_mean(name, known)}",
                fix="Correct MATSCIML_PLUGINS, or install the plugin",
            )


def _hidden_commands(registry: Registry) -> Iterator[Check]:
    builtin = {spec.name for spec in COMMANDS}
    for spec, record in registry.components("command"):
        if spec.name in builtin:
            yield Check(
                area="names",
                name=f"command {spec.name}",
                state="warning",
                detail=f"{record.label} offers a command that is built in, and is never called",
                fix=f"Give it another name in {record.module}",
            )


def _duplicates(registry: Registry) -> Iterator[Check]:
    for group in registry.duplicates():
        spec = group[0][0]
        owners = [record for _, record in group]
        yield Check(
            area="names",
            name=f"{spec.kind} {spec.name}",
            state="failed",
            detail=f"is offered by {' and by '.join(owner.label for owner in owners)}",
            fix=f"Uninstall one (pip uninstall {owners[-1].distribution}), or set "
            "MATSCIML_PLUGINS to the distributions to use",
        )


def _incomplete(registry: Registry) -> Iterator[Check]:
    for spec, record in registry.components():
        missing = registry.missing(spec)
        if missing:
            wanted = " ".join(f"'{problem.requirement}'" for problem in missing)
            note = f"; {spec.requires_note}" if spec.requires_note else ""
            yield Check(
                area="optional",
                name=f"{spec.kind} {spec.name}",
                state="warning",
                detail=f"{record.label}: " + " and ".join(one.reason for one in missing) + note,
                fix=f"To use it, run: pip install {wanted}",
            )


def _folders() -> Iterator[Check]:
    yield _folder("runs", Path.cwd() / "runs", "Work in a folder that you may write to")
    yield _folder("data", data_folder(), f"Set {DATA_VARIABLE} to a folder that you may write to")


def _folder(name: str, folder: Path, fix: str) -> Check:
    """Check that a folder can be written to, or made, without making it."""
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Check(area="folders", name=name, detail=f"{folder} can be written")
    return Check(
        area="folders",
        name=name,
        state="failed",
        detail=f"{folder} cannot be written",
        fix=fix,
    )
