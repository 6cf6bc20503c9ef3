"""The checks of ``matsciml doctor``. None of them imports what it looks at."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from matsciml_cli.commands import COMMANDS
from matsciml_cli.state import slow_plugin
from matsciml_core import __version__
from matsciml_core.cores import has_bfloat16
from matsciml_core.errors import did_you_mean
from matsciml_core.registry import environment
from matsciml_core.registry.checks import Check, CheckState
from matsciml_core.registry.folders import DATA_VARIABLE, data_folder
from matsciml_core.registry.installed import CORE, canonical_name
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.requirements import applicable, unmet

COMPROMISED = {
    "lightning": ("2.6.2", "2.6.3"),
    "pytorch-lightning": ("2.6.2", "2.6.3"),
}
"""Releases that stole credentials (GHSA-w37p-236h-pfx3)."""


def all_checks(registry: Registry) -> Iterator[Check]:
    """Check the installation, one thing after another.

    Args:
        registry: The registry, built without ``strict``, so that every plugin is looked at.

    Yields:
        The results, grouped by area.
    """
    for check in CHECKS:
        yield from check(registry)


def interpreter(registry: Registry) -> Iterator[Check]:
    """State the versions of the core, of Python and of the system."""
    python = f"{platform.python_version()} ({sys.executable})"
    # platform.platform() would start a process, for the name of the processor.
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Check(area="environment", name=CORE, detail=__version__)
    yield Check(area="environment", name="python", detail=python)
    yield Check(area="environment", name="platform", detail=system)
    # lmdb 3 writes, where it is not told otherwise, what older releases cannot read.
    engine = registry.installed.version("lmdb") or "not installed"
    newer = engine.partition(".")[0].isdigit() and int(engine.partition(".")[0]) >= 3
    said = f"lmdb {engine}, told to write files of version 0" if newer else f"lmdb {engine}"
    yield Check(area="environment", name="store engine", detail=said)
    # Of a GPU torch alone knows, which is not imported here; run.json tells what a run has used.
    able = "has instructions for it" if has_bfloat16() else "has no instructions for it: float32"
    yield Check(area="environment", name="bfloat16", detail=f"the processor {able}")


def packages(registry: Registry) -> Iterator[Check]:
    """Check what the core requires, as its own metadata say."""
    installed = registry.installed
    lines = installed.requires(CORE)
    if lines is None:
        detail = "is run from its sources without being installed"
        fix = "Run: pip install -e . in the folder of the sources"
        yield Check(area="packages", name=CORE, state="failed", detail=detail, fix=fix)
    # The metadata of the installation that runs, so that no list of versions is kept here.
    for name, line in applicable(sorted(lines or (), key=str.lower)):
        problems = unmet([line], installed)
        version = installed.version(name) or "not installed"
        if not problems:
            yield Check(area="packages", name=name, detail=version)
            continue
        needed = problems[0].requirement
        yield Check(
            area="packages",
            name=name,
            state="failed",
            detail=f"{version}, and {needed.removeprefix(name) or 'any version'} is needed",
            fix=f"Run: pip install '{needed}'",
        )


def compromised_packages(registry: Registry) -> Iterator[Check]:
    """Check that no malicious release is installed."""
    for name, releases in COMPROMISED.items():
        version = registry.installed.version(name)
        if version in releases:
            unwanted = ",".join(f"!={release}" for release in releases)
            yield Check(
                area="security",
                name=name,
                state="failed",
                detail=f"{version} is a malicious release that steals credentials",
                # Uninstalling undoes nothing: what the release has read is known to others.
                fix=f"Run: pip install --upgrade '{name}{unwanted}', and replace every password, "
                "token and key that this computer has held",
            )
        elif version is not None:
            detail = f"{version} is not one of the malicious releases"
            yield Check(area="security", name=name, detail=detail)


def plugins(registry: Registry) -> Iterator[Check]:
    """Check that plugins load, and that they load fast."""
    slowest = slow_plugin(registry.plugins)
    for plugin in registry.plugins:
        components = ", ".join(f"{spec.kind} {spec.name}" for spec in plugin.specs)
        state: CheckState = "ok"
        detail, fix = components or "offers no component", ""
        if plugin.unused_hooks:
            detail += f"; nothing installed calls its {', '.join(plugin.unused_hooks)}"
        if plugin.state != "ok":
            state = "failed" if plugin.state == "failed" else "warning"
            detail, fix = plugin.reason, plugin.fix
        elif plugin.heavy_imports:
            # Every command imports every plugin module, so that one of them slows down all.
            state = "warning"
            imports = ", ".join(plugin.heavy_imports)
            detail = f"{plugin.module} imports {imports}, which slows every command"
            fix = f"Move the import out of {plugin.module}, into the module that its records name"
        elif plugin is slowest:
            state = "warning"
            detail = f"{plugin.module} takes {plugin.seconds:.1f} s, for which every command waits"
            fix = f"Move what takes long out of {plugin.module}, or uninstall the plugin"
        name = f"{plugin.entry_point} ({plugin.label})"
        yield Check(area="plugins", name=name, state=state, detail=detail, fix=fix)
    if not registry.plugins:
        fix = "Install the plugins that you need; 'matsciml list-plugins --available' lists them"
        detail = "no plugin is installed"
        yield Check(area="plugins", name="none", state="warning", detail=detail, fix=fix)


def restriction(registry: Registry) -> Iterator[Check]:
    """Report names in ``MATSCIML_PLUGINS`` that no plugin has; they are most likely misspelt."""
    names = [name for one in registry.plugins for name in (one.entry_point, one.distribution)]
    for name in environment.names("MATSCIML_PLUGINS") or ():
        if canonical_name(name) not in map(canonical_name, names):
            guess = did_you_mean(name, names)
            yield Check(
                area="plugins",
                name=name,
                state="warning",
                detail=f"MATSCIML_PLUGINS names it, and it is not installed.{guess}",
                fix="Correct MATSCIML_PLUGINS, or install the plugin",
            )


def duplicates(registry: Registry) -> Iterator[Check]:
    """Check that no two plugins offer one name."""
    for group in registry.duplicates():
        spec, last = group[-1]
        labels = " and by ".join(component.plugin.label for component in group)
        yield Check(
            area="names",
            name=f"{spec.kind} {spec.name}",
            state="failed",
            detail=f"is offered by {labels}",
            fix=f"Uninstall one (pip uninstall {last.distribution}), or set MATSCIML_PLUGINS to "
            "the distributions to use",
        )


def hidden_commands(registry: Registry) -> Iterator[Check]:
    """Check that no plugin offers a command that the core has."""
    # A plugin must not be able to take the place of doctor, which finds out about plugins.
    builtin = {spec.name for spec in COMMANDS}
    for spec, plugin in registry.components("command"):
        if spec.name in builtin:
            yield Check(
                area="names",
                name=f"command {spec.name}",
                state="warning",
                detail=f"{plugin.label} offers a command that is built in, and is never called",
                fix=f"Give it another name in {plugin.module}",
            )


def incomplete_components(registry: Registry) -> Iterator[Check]:
    """Check what single components require beyond their distribution."""
    for spec, plugin in registry.components():
        missing = registry.missing(spec)
        # A warning only: the other components of the plugin work.
        if missing:
            requirements = " ".join(f"'{problem.requirement}'" for problem in missing)
            reasons = " and ".join(problem.reason for problem in missing)
            note = f"; {spec.requires_note}" if spec.requires_note else ""
            yield Check(
                area="optional",
                name=f"{spec.kind} {spec.name}",
                state="warning",
                detail=f"{plugin.label}: {reasons}{note}",
                fix=f"To use it, run: pip install {requirements}",
            )


def folders(registry: Registry) -> Iterator[Check]:
    """Check that folders can be written to, or made, without making them."""
    del registry
    checked = {
        "runs": (Path.cwd() / "runs", "Work in a folder that you may write to"),
        "data": (data_folder(), f"Set {DATA_VARIABLE} to a folder that you may write to"),
    }
    for name, (folder, fix) in checked.items():
        # A folder that does not exist is made in the nearest one above it that does.
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
            yield Check(area="folders", name=name, detail=f"{folder} can be written")
        else:
            detail = f"{folder} cannot be written"
            yield Check(area="folders", name=name, state="failed", detail=detail, fix=fix)


def of_plugins(registry: Registry) -> Iterator[Check]:
    """Run the checks that plugins offer; one that fails is a fault of its plugin."""
    for spec, plugin in registry.components("check"):
        try:
            yield from spec.load()(registry)
        except Exception as error:  # whatever a plugin raises
            yield Check(
                area="plugins",
                name=f"check {spec.name}",
                state="failed",
                detail=f"{plugin.label} cannot check: {type(error).__name__}: {error}",
                fix=f"Reinstall it: pip install --force-reinstall {plugin.distribution}",
            )


CHECKS: tuple[Callable[[Registry], Iterator[Check]], ...] = (
    interpreter,
    packages,
    compromised_packages,
    plugins,
    restriction,
    duplicates,
    hidden_commands,
    incomplete_components,
    folders,
    of_plugins,
)
"""In the order of the output: what concerns everything comes before what concerns one component."""
