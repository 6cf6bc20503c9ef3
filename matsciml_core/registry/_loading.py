"""Load plugins: check what they require, import them, check their hooks, collect their records."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, NoReturn

import pluggy

from matsciml_core.errors import did_you_mean
from matsciml_core.registry._faults import Fault, blame, clause, guarded
from matsciml_core.registry._hookspecs import (
    PREFIX,
    add_hookspecs,
    collecting_hooks,
    hook_names,
    hookspecs_of,
    new_plugin_manager,
)
from matsciml_core.registry.installed import InstalledVersions
from matsciml_core.registry.records import PluginRecord
from matsciml_core.registry.requirements import unmet
from matsciml_core.registry.scan import EntryPoint
from matsciml_core.registry.specs import Spec

HEAVY = ("torch", "lightning", "pytorch_lightning", "pymatgen", "dgl", "e3nn", "ase", "matplotlib")
"""Packages that no plugin module may import, because every command imports every such module."""

_OPTIONAL = " If a tool brings it, mark it with @hookimpl(optionalhook=True)"


@dataclass
class _Candidate:
    """A plugin on its way into the registry."""

    entry: EntryPoint
    record: PluginRecord
    plugin: Any = None
    """The imported module, or the object in it that holds the hooks."""

    def attempt(self, step: Callable[..., Mapping[str, Any]], *arguments: Any) -> None:
        """Take a step that returns fields of the record; a fault in it quarantines the plugin."""
        if self.record.state == "failed":
            return
        # What an earlier plugin imported is not imported again: each is charged for its own alone.
        before, start = _heavy_modules(), time.perf_counter()
        try:
            changes = step(self, *arguments)
        except Fault as fault:
            changes = {"state": "failed", "reason": fault.reason, "fix": fault.fix}
        else:
            heavy = {*self.record.heavy_imports, *(_heavy_modules() - before)}
            changes = {**changes, "heavy_imports": tuple(sorted(heavy))}
        seconds = self.record.seconds + time.perf_counter() - start
        self.record = replace(self.record, **changes, seconds=seconds)


def load_plugins(
    entries: Sequence[EntryPoint],
    *,
    manager: pluggy.PluginManager,
    installed: InstalledVersions,
) -> list[PluginRecord]:
    """Load plugins, and register those with which nothing is wrong with ``manager``.

    All are imported, and the hook specifications that they bring are made known, before the hooks
    of any are checked: so the order in which entry points are found makes no difference.

    Args:
        entries: The plugins' entry points.
        manager: Receives the plugins.
        installed: What the plugins' requirements are compared with.

    Returns:
        A record for each entry point, in their order, its state ``ok`` or ``failed``.
    """
    # Plugins are tried out in a second manager, one by one: so one that fails leaves no trace in
    # the first, and its hooks are called on their own.
    trial = new_plugin_manager()
    candidates = [_Candidate(entry, new_record(entry)) for entry in entries]
    for candidate in candidates:
        candidate.attempt(_open, (trial, manager), installed)
    # Only now is it known which hooks there are: a plugin may be found before the tool whose hook
    # it implements.
    hooks = collecting_hooks(trial)
    for candidate in candidates:
        candidate.attempt(_admit, hooks, trial, manager)
    return [candidate.record for candidate in candidates]


def new_record(entry: EntryPoint) -> PluginRecord:
    """Return the record of a plugin with which nothing is wrong, and which offers nothing yet."""
    return PluginRecord(
        entry_point=entry.name,
        distribution=entry.distribution,
        version=entry.version,
        module=entry.module,
        state="ok",
    )


def _open(
    candidate: _Candidate, managers: Sequence[pluggy.PluginManager], installed: InstalledVersions
) -> dict[str, Any]:
    """Import a plugin, and make known the hook specifications that it brings."""
    entry = candidate.entry
    if entry.fault:
        raise Fault(
            f"is broken: {entry.fault}",
            f"Reinstall it: pip install --force-reinstall {entry.distribution}",
        )
    # Before the import, which would fail with a traceback that says less.
    problems = unmet(entry.requires, installed)
    if problems:
        fixes = dict.fromkeys(problem.fix(entry.distribution) for problem in problems)
        raise Fault(
            " and ".join(problem.reason for problem in problems), f"Run: {' && '.join(fixes)}"
        )
    with guarded(entry, f"cannot be imported: {entry.module}"):
        plugin = importlib.import_module(entry.module)
        for attribute in filter(None, entry.attribute.split(".")):
            plugin = getattr(plugin, attribute)
    candidate.plugin = plugin
    brought = [
        name
        for namespace in hookspecs_of(plugin, entry, managers[0])
        for name in add_hookspecs(namespace, entry, managers)
    ]
    return {"hookspecs": tuple(brought)}


def _admit(
    candidate: _Candidate,
    hooks: Mapping[str, type[Spec]],
    trial: pluggy.PluginManager,
    manager: pluggy.PluginManager,
) -> dict[str, Any]:
    """Try out a plugin, collect what it offers, and register it."""
    plugin, entry = candidate.plugin, candidate.entry
    try:
        try:
            trial.register(plugin, name=entry.name)
        except Exception as error:  # whatever pluggy objects to, the plugin is at fault
            blame(entry, f"has a hook with the wrong signature: {_signature_fault(error, trial)}")
        unused = _check_hook_names(plugin, entry, trial)
        specs = [
            spec for hook, record in hooks.items() for spec in _collect(trial, hook, record, entry)
        ]
    finally:
        if trial.is_registered(plugin):
            trial.unregister(plugin)
    _check_repeats(specs, entry)
    if manager.is_registered(plugin):
        blame(entry, f"names the module {entry.module}, which another plugin has registered")
    manager.register(plugin, name=f"{entry.distribution}:{entry.name}")
    return {"specs": tuple(specs), "unused_hooks": unused}


def _signature_fault(error: Exception, trial: pluggy.PluginManager) -> str:
    """Bring what pluggy explains over several lines into one clause."""
    detail = clause((str(error).strip().splitlines() or [""])[-1])
    named = re.search(r"for hook '(\w+)'", str(error))
    caller = None if named is None else getattr(trial.hook, named[1], None)
    if named is None or caller is None or caller.spec is None:
        return detail
    offered = ", ".join(caller.spec.argnames)
    return f"{named[1]} can take the arguments ({offered}); {detail}"


def _check_hook_names(
    plugin: Any, entry: EntryPoint, trial: pluggy.PluginManager
) -> tuple[str, ...]:
    """Return the optional hooks without a specification; any other such hook is a fault.

    ``optionalhook`` is how a plugin says that a hook is brought by a tool which need not be
    installed. Without it a name that nothing specifies is taken for a misspelt one.
    """
    names = hook_names(trial)
    unused = []
    for caller in trial.get_hookcallers(plugin) or ():
        if caller.has_spec():
            continue
        if not all(implementation.optionalhook for implementation in caller.get_hookimpls()):
            guess = did_you_mean(caller.name, names)
            blame(
                entry,
                f"implements the hook '{caller.name}', which does not exist.{guess or _OPTIONAL}",
            )
        unused.append(caller.name)
    for name in _unmarked(plugin, trial):
        advice = "" if name in names else did_you_mean(name, names)
        blame(
            entry,
            f"has a function '{name}' that is not marked with @hookimpl, so that it is never "
            f"called.{advice}",
        )
    return tuple(sorted(unused))


def _unmarked(plugin: Any, trial: pluggy.PluginManager) -> Iterator[str]:
    """Yield the plugin's own functions that are named like a hook and not marked as one."""
    home = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    for name in dir(plugin):
        if not name.startswith(PREFIX) or trial.parse_hookimpl_opts(plugin, name) is not None:
            continue
        if trial.parse_hookspec_opts(plugin, name) is not None:
            continue  # a tool may bring its specifications in the same module
        value = inspect.getattr_static(plugin, name)
        if inspect.isfunction(value) and value.__module__ == home:
            yield name


def _collect(
    trial: pluggy.PluginManager, hook: str, record: type[Spec], entry: EntryPoint
) -> list[Spec]:
    caller: pluggy.HookCaller = getattr(trial.hook, hook)
    implementations = [
        implementation
        for implementation in caller.get_hookimpls()
        if not (implementation.wrapper or implementation.hookwrapper)
    ]
    specs: list[Spec] = []
    with guarded(entry, f"has a hook that fails: {hook}"):
        results = caller()
        if len(results) < len(implementations):  # pluggy drops None
            _wrong_return(entry, hook, record, "None")
        for result in results:
            if not isinstance(result, Iterable):
                _wrong_return(entry, hook, record, f"one {type(result).__name__}")
            specs.extend(result)
    for spec in specs:
        # A subclass may add fields, but not leave the kind by which it is looked up.
        if not isinstance(spec, record) or spec.kind != record.kind:
            _wrong_return(entry, hook, record, type(spec).__name__)
    return specs


def _wrong_return(entry: EntryPoint, hook: str, record: type[Spec], returned: str) -> NoReturn:
    blame(
        entry,
        f"returns {returned} from {hook}, which must return or yield {record.__name__} records",
    )


def _check_repeats(specs: list[Spec], entry: EntryPoint) -> None:
    seen: set[tuple[str, str]] = set()
    for spec in specs:
        if (spec.kind, spec.name) in seen:
            blame(entry, f"offers the {spec.kind} '{spec.name}' twice")
        seen.add((spec.kind, spec.name))


def _heavy_modules() -> set[str]:
    return {name for name in HEAVY if name in sys.modules}
