"""Hook specifications: those of the core, those that plugins bring, and what they collect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

import pluggy

from matsciml_core.registry._faults import blame, guarded
from matsciml_core.registry._trace import trace
from matsciml_core.registry.hooks import PROJECT, MatSciMLSpecs
from matsciml_core.registry.scan import EntryPoint
from matsciml_core.registry.specs import Spec

PREFIX = f"{PROJECT}_"
"""With what the name of every hook begins."""
_MARK = f"{PROJECT}_impl"
"""The attribute that ``hookimpl`` gives a function."""
BRINGING = "matsciml_hookspecs"
"""The hook by which a plugin brings hook specifications."""


class _PluginManager(pluggy.PluginManager):
    """A manager that looks at the marked functions of a plugin module only."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """Return how a function was marked; None: it was not.

        pluggy inspects every name of a module, which takes as long as importing the module.
        """
        if isinstance(plugin, ModuleType) and not hasattr(plugin.__dict__[name], _MARK):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def new_plugin_manager() -> pluggy.PluginManager:
    """Return a pluggy manager that has the hooks of the core and no plugin."""
    manager = _PluginManager(PROJECT)
    manager.add_hookspecs(MatSciMLSpecs)
    trace(manager)
    return manager


def hook_names(manager: pluggy.PluginManager) -> list[str]:
    """Return the names of the hooks that have a specification, sorted."""
    return sorted(
        name
        for name, caller in vars(manager.hook).items()
        if isinstance(caller, pluggy.HookCaller) and caller.has_spec()
    )


def collecting_hooks(manager: pluggy.PluginManager) -> dict[str, type[Spec]]:
    """Return the hooks that offer components, each with the class of its records.

    Args:
        manager: A manager; its specifications have been checked.

    Returns:
        Hook → record: those of the core in the order of the code, then the others by name.
    """
    # hook_names() is sorted; listings follow the order in which the core explains its kinds.
    own = [name for name in vars(MatSciMLSpecs) if name.startswith(PREFIX)]
    names = dict.fromkeys([*own, *hook_names(manager)])
    records = {name: _record(getattr(manager.hook, name)) for name in names}
    return {name: record for name, record in records.items() if record is not None}


def hookspecs_of(plugin: Any, entry: EntryPoint, trial: pluggy.PluginManager) -> list[Any]:
    """Return the classes and modules with hook specifications that a plugin brings.

    Args:
        plugin: The imported plugin.
        entry: Its entry point.
        trial: A manager without plugins, which is so again afterwards.

    Raises:
        Fault: The hook fails, or returns what is neither a class nor an import path.
    """
    if not hasattr(plugin, BRINGING) or trial.parse_hookimpl_opts(plugin, BRINGING) is None:
        return []
    with guarded(entry, f"has a hook that fails: {BRINGING}"):
        items = getattr(plugin, BRINGING)()
        if isinstance(items, str | type) or not isinstance(items, Iterable):
            blame(entry, f"returns one {type(items).__name__} from {BRINGING}; return a list")
        return [_namespace(item, entry) for item in items]


def add_hookspecs(
    namespace: Any, entry: EntryPoint, managers: Sequence[pluggy.PluginManager]
) -> tuple[str, ...]:
    """Check the hook specifications that a plugin brings, and make them known.

    Args:
        namespace: The class or module that holds them.
        entry: The plugin's entry point.
        managers: Managers with the same specifications; all get the new ones.

    Returns:
        The names of the new hooks.

    Raises:
        Fault: There are none, or they contradict those that exist; no manager is changed then.
    """
    # In a manager without other specifications first: a contradiction must leave no trace in the
    # others, of which pluggy could not take it back.
    alone = pluggy.PluginManager(PROJECT)
    with guarded(entry, "brings hook specifications that cannot be read"):
        alone.add_hookspecs(namespace)
        records = {name: _record(getattr(alone.hook, name)) for name in hook_names(alone)}
    existing = hook_names(managers[0])
    for name in records:
        if not name.startswith(PREFIX):
            blame(entry, f"brings the hook '{name}', whose name must begin with '{PREFIX}'")
        if name in existing:
            blame(entry, f"brings the hook '{name}', which exists already")
    _check_kinds(records, entry, collecting_hooks(managers[0]))
    for manager in managers:
        manager.add_hookspecs(namespace)
    return tuple(records)


def _record(caller: pluggy.HookCaller) -> type[Spec] | None:
    """Return the class of the records that a hook collects; None: it collects none.

    A hook that offers components says so by its signature alone: it takes nothing and returns an
    iterable of records. So a tool's hook needs no registration beyond its specification.
    """
    specification = caller.spec
    if specification is None or specification.argnames:
        return None
    # Resolves annotations that are text; one that is missing at run time is a fault of the tool.
    returned = get_type_hints(specification.function).get("return")
    items = get_args(returned)
    collects = get_origin(returned) is Iterable and len(items) == 1 and isinstance(items[0], type)
    return items[0] if collects and issubclass(items[0], Spec) else None


def _namespace(item: object, entry: EntryPoint) -> Any:
    if isinstance(item, type):
        return item
    if not isinstance(item, str):
        blame(
            entry,
            f"returns {type(item).__name__} from {BRINGING}, which must return or yield classes, "
            "or import paths of classes or modules",
        )
    module, _, name = item.partition(":")
    namespace: Any = import_module(module)
    return getattr(namespace, name) if name else namespace


def _check_kinds(
    records: Mapping[str, type[Spec] | None],
    entry: EntryPoint,
    existing: Mapping[str, type[Spec]],
) -> None:
    """Check that each kind of record is offered by one hook: lookups go by kind and name."""
    kinds = {record.kind: hook for hook, record in existing.items()}
    for hook, record in records.items():
        if record is None:
            continue
        if record.kind == Spec.kind:
            blame(entry, f"brings the record {record.__name__}, which must have a kind of its own")
        if record.kind in kinds:
            blame(
                entry,
                f"brings the hook '{hook}' for the kind '{record.kind}', which the hook "
                f"'{kinds[record.kind]}' offers",
            )
        kinds[record.kind] = hook
