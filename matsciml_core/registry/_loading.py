"""Load one plugin: check what it requires, import it, check its hooks, collect its records."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any, NoReturn

import pluggy

from matsciml_core.errors import MatSciMLError, did_you_mean
from matsciml_core.registry._trace import trace
from matsciml_core.registry.hooks import PROJECT, MatSciMLSpecs
from matsciml_core.registry.records import PluginRecord
from matsciml_core.registry.requirements import InstalledVersions, unmet
from matsciml_core.registry.scan import EntryPoint
from matsciml_core.registry.specs import (
    BenchmarkSpec,
    CallbackSpec,
    CommandSpec,
    DatasetSpec,
    EncoderSpec,
    ReaderSpec,
    Spec,
    StrategySpec,
    TaskHeadSpec,
)

REGISTRATION: dict[str, type[Spec]] = {
    "matsciml_datasets": DatasetSpec,
    "matsciml_encoders": EncoderSpec,
    "matsciml_task_heads": TaskHeadSpec,
    "matsciml_strategies": StrategySpec,
    "matsciml_readers": ReaderSpec,
    "matsciml_commands": CommandSpec,
    "matsciml_callbacks": CallbackSpec,
    "matsciml_benchmarks": BenchmarkSpec,
}
"""Registration hook → the record it returns."""

HEAVY = ("torch", "lightning", "pytorch_lightning", "pymatgen", "dgl", "e3nn", "ase", "matplotlib")
"""Packages that no plugin module may import, because every command imports every such module."""

_PREFIX = f"{PROJECT}_"


class _Fault(Exception):
    """A plugin cannot be used: the reason as an end of a sentence, and how to fix it."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def new_plugin_manager() -> pluggy.PluginManager:
    """Return a pluggy manager that knows the hooks and no plugin."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(MatSciMLSpecs)
    trace(manager)
    return manager


def load_plugin(
    entry: EntryPoint,
    *,
    manager: pluggy.PluginManager,
    trial: pluggy.PluginManager,
    installed: InstalledVersions,
) -> PluginRecord:
    """Load one plugin and register it with ``manager`` if nothing is wrong with it.

    Args:
        entry: The plugin's entry point.
        manager: Receives the plugin.
        trial: A second manager, without plugins, in which the plugin is tried out first: so one
            that fails leaves no trace in ``manager``, and its hooks are called on their own.
        installed: What the plugin's requirements are compared with.

    Returns:
        The record, its state ``ok`` or ``failed``.
    """
    record = PluginRecord(
        entry_point=entry.name,
        distribution=entry.distribution,
        version=entry.version,
        module=entry.module,
        state="ok",
    )
    before = _heavy_modules()
    try:
        _check_readable(entry)
        _check_requirements(entry, installed)
        plugin = _import(entry)
        specs = _try_out(plugin, entry, trial)
        _register(plugin, entry, manager)
    except _Fault as fault:
        return replace(record, state="failed", reason=fault.reason, fix=fault.fix)
    return replace(record, specs=specs, heavy_imports=tuple(sorted(_heavy_modules() - before)))


def _check_readable(entry: EntryPoint) -> None:
    if entry.fault:
        raise _Fault(
            f"is broken: {entry.fault}",
            f"Reinstall it: pip install --force-reinstall {entry.distribution}",
        )


def _check_requirements(entry: EntryPoint, installed: InstalledVersions) -> None:
    problems = unmet(entry.requires, installed)
    if problems:
        fixes = dict.fromkeys(problem.fix(entry.distribution) for problem in problems)
        raise _Fault(
            " and ".join(problem.reason for problem in problems),
            f"Run: {' && '.join(fixes)}",
        )


def _import(entry: EntryPoint) -> Any:
    plugin: Any = None
    with _guarded(entry, f"cannot be imported: {entry.module}"):
        plugin = importlib.import_module(entry.module)
        for attribute in filter(None, entry.attribute.split(".")):
            plugin = getattr(plugin, attribute)
    return plugin


def _try_out(plugin: Any, entry: EntryPoint, trial: pluggy.PluginManager) -> tuple[Spec, ...]:
    try:
        _register_on_trial(plugin, entry, trial)
        _check_hook_names(plugin, entry, trial)
        specs = [
            spec
            for hook, record in REGISTRATION.items()
            for spec in _collect(trial, hook, record, entry)
        ]
    finally:
        if trial.is_registered(plugin):
            trial.unregister(plugin)
    _check_repeats(specs, entry)
    return tuple(specs)


def _register_on_trial(plugin: Any, entry: EntryPoint, trial: pluggy.PluginManager) -> None:
    try:
        trial.register(plugin, name=entry.name)
    except Exception as error:  # whatever pluggy objects to, the plugin is at fault
        _blame(entry, f"has a hook with the wrong signature: {_signature_fault(error, trial)}")


def _signature_fault(error: Exception, trial: pluggy.PluginManager) -> str:
    """Bring what pluggy explains over several lines into one clause."""
    detail = _clause((str(error).strip().splitlines() or [""])[-1])
    named = re.search(r"for hook '(\w+)'", str(error))
    caller = None if named is None else getattr(trial.hook, named[1], None)
    if named is None or caller is None or caller.spec is None:
        return detail
    offered = ", ".join(caller.spec.argnames)
    return f"{named[1]} can take the arguments ({offered}); {detail}"


def _check_hook_names(plugin: Any, entry: EntryPoint, trial: pluggy.PluginManager) -> None:
    known = [name for name in dir(MatSciMLSpecs) if name.startswith(_PREFIX)]
    for caller in trial.get_hookcallers(plugin) or ():
        optional = all(implementation.optionalhook for implementation in caller.get_hookimpls())
        if not caller.has_spec() and not optional:
            _blame(
                entry,
                f"implements the hook '{caller.name}', which does not exist."
                f"{did_you_mean(caller.name, known)}",
            )
    for name in _unmarked(plugin, trial):
        advice = "" if name in known else did_you_mean(name, known)
        _blame(
            entry,
            f"has a function '{name}' that is not marked with @hookimpl, so that it is never "
            f"called.{advice}",
        )


def _unmarked(plugin: Any, trial: pluggy.PluginManager) -> Iterator[str]:
    """Yield the plugin's own functions that are named like a hook and not marked as one."""
    home = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    for name in dir(plugin):
        if not name.startswith(_PREFIX) or trial.parse_hookimpl_opts(plugin, name) is not None:
            continue
        value = inspect.getattr_static(plugin, name)
        if inspect.isfunction(value) and value.__module__ == home:
            yield name


def _collect(
    trial: pluggy.PluginManager, hook: str, record: type[Spec], entry: EntryPoint
) -> list[Spec]:
    caller: pluggy.HookCaller = getattr(trial.hook, hook)
    implementations = [
        one for one in caller.get_hookimpls() if not (one.wrapper or one.hookwrapper)
    ]
    specs: list[Spec] = []
    with _guarded(entry, f"has a hook that fails: {hook}"):
        results = caller()
        if len(results) < len(implementations):  # pluggy drops None
            _wrong_return(entry, hook, record, "None")
        for result in results:
            if not isinstance(result, Iterable):
                _wrong_return(entry, hook, record, f"one {type(result).__name__}")
            specs.extend(result)
    for spec in specs:
        if not isinstance(spec, record):
            _wrong_return(entry, hook, record, type(spec).__name__)
    return specs


def _wrong_return(entry: EntryPoint, hook: str, record: type[Spec], found: str) -> NoReturn:
    _blame(
        entry,
        f"returns {found} from {hook}, which must return or yield {record.__name__} records",
    )


def _check_repeats(specs: list[Spec], entry: EntryPoint) -> None:
    seen: set[tuple[str, str]] = set()
    for spec in specs:
        if (spec.kind, spec.name) in seen:
            _blame(entry, f"offers the {spec.kind} '{spec.name}' twice")
        seen.add((spec.kind, spec.name))


def _register(plugin: Any, entry: EntryPoint, manager: pluggy.PluginManager) -> None:
    if manager.is_registered(plugin):
        _blame(entry, f"names the module {entry.module}, which another plugin has registered")
    manager.register(plugin, name=f"{entry.distribution}:{entry.name}")


def _blame(entry: EntryPoint, reason: str) -> NoReturn:
    """Quarantine the plugin for a fault in its own code."""
    raise _Fault(reason.removesuffix("."), _uninstall(entry))


@contextlib.contextmanager
def _guarded(entry: EntryPoint, what: str) -> Iterator[None]:
    """Run code of the plugin: turn what it raises into a fault, and keep it off stdout."""
    try:
        # A plugin that prints must not spoil the JSON that a command writes.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except _Fault:
        raise
    except MatSciMLError as error:
        _blame(entry, f"{what} says: {_clause(str(error))}")
    except (Exception, SystemExit) as error:
        raise _Fault(
            f"{what} raises {type(error).__name__}{_at(error)}: {_clause(str(error))}",
            _mend_exception(error, entry),
        ) from error


def _mend_exception(error: BaseException, entry: EntryPoint) -> str:
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return _uninstall(entry)
    package = entry.module.partition(".")[0]
    if error.name.partition(".")[0] == package:
        return f"Reinstall it: pip install --force-reinstall {entry.distribution}"
    return (
        f"Install the package that provides '{error.name}' (the plugin should have declared it), "
        f"or uninstall the plugin: pip uninstall {entry.distribution}"
    )


def _uninstall(entry: EntryPoint) -> str:
    return f"Fix {entry.module}, or uninstall the plugin: pip uninstall {entry.distribution}"


def _at(error: BaseException) -> str:
    """Say in which file and line an exception was raised."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, importlib.__file__)
        and not frame.filename.startswith("<frozen")
    ]
    return f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


def _clause(text: str) -> str:
    """Bring a message onto one line, without its full stop."""
    return " ".join(text.split()).removesuffix(".") or "no message"


def _heavy_modules() -> set[str]:
    return {name for name in HEAVY if name in sys.modules}
