"""The registry: builds itself from the installed plugins, and answers what they offer.

There is no registry at module level. The command line builds one and passes it on; so does
any program that uses the core as a library::

    registry = build_registry()
    registry.get("dataset", "mine").load()
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, overload

import pluggy

from matsciml_core.errors import (
    DuplicateNameError,
    OtherEnvironmentError,
    PluginLoadError,
    RegistryError,
    UnknownNameError,
    did_you_mean,
)
from matsciml_core.registry import environment
from matsciml_core.registry._hookspecs import collecting_hooks, new_plugin_manager
from matsciml_core.registry._loading import load_plugins, new_record
from matsciml_core.registry.environments import Elsewhere, EnvironmentSpec
from matsciml_core.registry.folders import data_folder
from matsciml_core.registry.imported import STRUCTURES, imported_records, structures_spec
from matsciml_core.registry.installed import (
    InstalledVersions,
    canonical_name,
    metadata_by_name,
)
from matsciml_core.registry.messages import (
    duplicate_sentence,
    elsewhere_sentence,
    missing_sentence,
    unknown_sentence,
)
from matsciml_core.registry.pretrained import PretrainedSpec
from matsciml_core.registry.records import PluginRecord
from matsciml_core.registry.requirements import Unmet, unmet
from matsciml_core.registry.scan import EntryPoint, scan
from matsciml_core.registry.specs import (
    BaselineSpec,
    CallbackSpec,
    CommandSpec,
    DatasetSpec,
    EncoderSpec,
    LoggerSpec,
    ReaderSpec,
    RunInfo,
    RunResult,
    Spec,
    StrategySpec,
    TaskHeadSpec,
)


class Component(NamedTuple):
    """Something that a plugin offers."""

    spec: Spec
    plugin: PluginRecord


def build_registry(
    *,
    strict: bool | None = None,
    only: Sequence[str] | None = None,
    path: Sequence[str] | None = None,
) -> Registry:
    """Load the installed plugins, one by one, and return what they offer.

    A plugin that fails is quarantined: it is listed with the reason and a fix, and everything
    else works. Nothing lasts between calls but Python's own cache of imported modules.

    Args:
        strict: Raise at the first plugin that fails; None: as ``MATSCIML_STRICT`` says.
        only: Load only these plugins, by the name of the entry point or of the
            distribution; None: as ``MATSCIML_PLUGINS`` says (comma-separated; set but empty:
            none), and all where it is not set.
        path: Folders to search for plugins; None: ``sys.path``. Their plugins must be importable.

    Returns:
        The registry; with the datasets that the user imported, unless ``path`` is given.

    Raises:
        PluginLoadError: A plugin failed, and ``strict`` holds.
    """
    strict = environment.flag("MATSCIML_STRICT") if strict is None else strict
    only = environment.names("MATSCIML_PLUGINS") if only is None else only
    # One listing serves both; with a path of their own they look at different folders.
    folders = metadata_by_name(sys.path) if path is None else None
    installed = InstalledVersions(path, folders=folders)
    manager = new_plugin_manager()
    entries = scan(path, folders=folders)
    chosen = list(entries)
    if only is not None:
        # Entry points as they are written, because two may differ in case alone.
        names = set(map(canonical_name, only))
        chosen = [
            entry
            for entry in entries
            if entry.name in only or canonical_name(entry.distribution) in names
        ]
    records = load_plugins(chosen, manager=manager, installed=installed)
    if strict:
        for record in records:
            if record.state == "failed":
                raise PluginLoadError(record.sentence())
    records += [_blocked(entry) for entry in entries if entry not in chosen]
    records.sort(key=lambda record: (record.entry_point, record.distribution, record.module))
    if path is None:
        records += imported_records(data_folder())
    return Registry(records, manager=manager, installed=installed)


class Registry:
    """The plugins that are installed, and what they offer."""

    def __init__(
        self,
        plugins: Sequence[PluginRecord],
        *,
        manager: pluggy.PluginManager,
        installed: InstalledVersions,
    ) -> None:
        """Take the plugins that :func:`build_registry` loaded."""
        self._plugins = tuple(plugins)
        self._manager = manager
        self._installed = installed
        self._kinds = tuple(record.kind for record in collecting_hooks(manager).values())

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of component in the order of listings: the core's, then those of tools."""
        return self._kinds

    @property
    def plugins(self) -> tuple[PluginRecord, ...]:
        """Every installed plugin, working or not, sorted by the name of its entry point."""
        return self._plugins

    @property
    def installed(self) -> InstalledVersions:
        """The versions that are installed, as the requirements of plugins are checked against."""
        return self._installed

    @property
    def hook(self) -> pluggy.HookRelay:
        """Calls a lifecycle hook of every plugin: ``registry.hook.matsciml_before_fit(run=…)``."""
        return self._manager.hook

    def after_fit(self, run: RunInfo, result: RunResult) -> RunResult:
        """Call ``matsciml_after_fit`` of every plugin; one that fails stops neither run nor others.

        Args:
            run: The run.
            result: What came out of it.

        Returns:
            The result, with what plugins had to say and what went wrong in them.
        """
        notes, problems = list(result.notes), list(result.problems)
        for implementation in reversed(self.hook.matsciml_after_fit.get_hookimpls()):
            arguments = {"run": run, "result": result}
            chosen = {name: arguments[name] for name in implementation.argnames}
            try:
                note = implementation.function(**chosen)
            except Exception as error:  # whatever a plugin raises
                problems.append(
                    f"After the run, the plugin '{implementation.plugin_name}' failed "
                    f"({type(error).__name__}: {error}); the run itself is finished."
                )
            else:
                notes += [] if note is None else [str(note)]
        return replace(result, notes=tuple(notes), problems=tuple(problems))

    @overload
    def specs(self, kind: Literal["dataset"]) -> list[DatasetSpec]: ...
    @overload
    def specs(self, kind: Literal["encoder"]) -> list[EncoderSpec]: ...
    @overload
    def specs(self, kind: Literal["task-head"]) -> list[TaskHeadSpec]: ...
    @overload
    def specs(self, kind: Literal["strategy"]) -> list[StrategySpec]: ...
    @overload
    def specs(self, kind: Literal["reader"]) -> list[ReaderSpec]: ...
    @overload
    def specs(self, kind: Literal["command"]) -> list[CommandSpec]: ...
    @overload
    def specs(self, kind: Literal["logger"]) -> list[LoggerSpec]: ...
    @overload
    def specs(self, kind: Literal["callback"]) -> list[CallbackSpec]: ...
    @overload
    def specs(self, kind: Literal["baseline"]) -> list[BaselineSpec]: ...
    @overload
    def specs(self, kind: Literal["pretrained"]) -> list[PretrainedSpec]: ...
    @overload
    def specs(self, kind: str) -> list[Spec]: ...

    def specs(self, kind: str) -> list[Spec]:  # type: ignore[misc]
        """Return the records of one kind, sorted by name, duplicates included.

        Args:
            kind: One of ``kinds``.

        Returns:
            The records.

        Raises:
            UnknownNameError: There is no such kind.
        """
        return [component.spec for component in self.components(kind)]

    @overload
    def get(self, kind: Literal["dataset"], name: str) -> DatasetSpec: ...
    @overload
    def get(self, kind: Literal["encoder"], name: str) -> EncoderSpec: ...
    @overload
    def get(self, kind: Literal["task-head"], name: str) -> TaskHeadSpec: ...
    @overload
    def get(self, kind: Literal["strategy"], name: str) -> StrategySpec: ...
    @overload
    def get(self, kind: Literal["reader"], name: str) -> ReaderSpec: ...
    @overload
    def get(self, kind: Literal["command"], name: str) -> CommandSpec: ...
    @overload
    def get(self, kind: Literal["logger"], name: str) -> LoggerSpec: ...
    @overload
    def get(self, kind: Literal["callback"], name: str) -> CallbackSpec: ...
    @overload
    def get(self, kind: Literal["baseline"], name: str) -> BaselineSpec: ...
    @overload
    def get(self, kind: Literal["pretrained"], name: str) -> PretrainedSpec: ...
    @overload
    def get(self, kind: str, name: str) -> Spec: ...

    def get(self, kind: str, name: str) -> Spec:
        """Return the record of a component that is about to be used.

        Args:
            kind: One of ``kinds``.
            name: What users call it.

        Returns:
            The record; its class is not imported yet.

        Raises:
            UnknownNameError: Nothing of that kind has the name; says what exists, what is
                closest, and what might be installed or fixed.
            OtherEnvironmentError: The name is offered, and can be used, in another environment.
            DuplicateNameError: Two plugins offer the name.
            PluginLoadError: Something that the component requires is not installed.
        """
        matches = [component for component in self.components(kind) if component.spec.name == name]
        if not matches and (kind, name) == (DatasetSpec.kind, STRUCTURES):
            # Not on offer: without the folder of a run that wrote it, there is nothing to open.
            return structures_spec()
        if not matches:
            raise self.unknown(name, kind)
        if len(matches) > 1:
            owners = [component.plugin for component in matches]
            raise DuplicateNameError(duplicate_sentence(kind, name, owners))
        spec, plugin = matches[0]
        missing = self.missing(spec)
        if missing:
            raise self._sent_elsewhere(name, kind) or PluginLoadError(
                missing_sentence(spec, plugin, missing)
            )
        return spec

    def components(self, kind: str | None = None) -> list[Component]:
        """Return what the plugins offer, sorted by kind, then name, duplicates included.

        Args:
            kind: One of ``kinds``; None: all kinds.

        Returns:
            Records, each with its plugin.

        Raises:
            UnknownNameError: There is no such kind.
        """
        if kind is not None and kind not in self._kinds:
            raise UnknownNameError(
                f"There is no kind '{kind}'.{did_you_mean(kind, self._kinds)} "
                f"Kinds: {', '.join(self._kinds)}."
            )
        components = [
            Component(spec, plugin)
            for plugin in self._plugins
            for spec in plugin.specs
            if kind in (None, spec.kind)
        ]
        components.sort(key=lambda item: (self._kinds.index(item.spec.kind), item.spec.name))
        return components

    def find(self, name: str) -> list[Component]:
        """Return the components of that name, of whatever kind."""
        return [component for component in self.components() if component.spec.name == name]

    def elsewhere(self, kind: str | None = None) -> list[Elsewhere]:
        """Return what environments offer and this one lacks, or has in a form that cannot be used.

        Args:
            kind: One kind of component; None: all kinds.

        Returns:
            The offers by environment, each with its environment.
        """
        records = self.specs(EnvironmentSpec.kind)
        environments = [record for record in records if isinstance(record, EnvironmentSpec)]
        if not environments:  # looking for what is missing costs time
            return []
        usable = {(spec.kind, spec.name) for spec, _ in self.components() if not self.missing(spec)}
        return [
            Elsewhere(offer, environment)
            for environment in environments
            for offer in environment.offers
            if kind in (None, offer.kind) and (offer.kind, offer.name) not in usable
        ]

    def including(self, record: PluginRecord) -> Registry:
        """Return a registry that offers further components, which replace those of their names.

        Args:
            record: What is offered, for example the objects that a program handed over.
        """
        names = {(spec.kind, spec.name) for spec in record.specs}
        others = [
            replace(one, specs=tuple(s for s in one.specs if (s.kind, s.name) not in names))
            for one in self._plugins
        ]
        return Registry([*others, record], manager=self._manager, installed=self._installed)

    def record_of(self, spec: Spec) -> PluginRecord:
        """Return the plugin that offers a record.

        Raises:
            RegistryError: The record does not come from this registry.
        """
        for plugin in self._plugins:
            # By identity: two plugins may offer records that are equal.
            if any(own is spec for own in plugin.specs):
                return plugin
        raise RegistryError(
            f"The {spec.kind} '{spec.name}' comes from another registry; ask that one for it."
        )

    def duplicates(self) -> list[list[Component]]:
        """Return the groups of components that share one kind and name."""
        groups: dict[tuple[str, str], list[Component]] = {}
        for component in self.components():
            groups.setdefault((component.spec.kind, component.spec.name), []).append(component)
        return [group for group in groups.values() if len(group) > 1]

    def missing(self, spec: Spec) -> tuple[Unmet, ...]:
        """Return what a component requires beyond its distribution and is not installed."""
        return unmet(spec.requires, self._installed)

    def distributions(self) -> dict[str, str]:
        """Return the plugins in use: distribution → version. Goes into the record of every run."""
        # Datasets that the user imported are plugins without a module.
        used = [plugin for plugin in self._plugins if plugin.state == "ok" and plugin.module]
        return {plugin.distribution: plugin.version for plugin in used}

    def unknown(
        self, name: str, kind: str | None = None, *, builtin: Sequence[str] = ()
    ) -> UnknownNameError:
        """Return, not raise, the error for a name that nothing has.

        Args:
            name: What the user asked for.
            kind: One of ``kinds``; None: the user did not say.
            builtin: Further names that exist without a plugin, such as the core's commands.

        Returns:
            The error: what exists, what is closest, what might be installed or fixed; an
            ``OtherEnvironmentError`` where an environment offers the name.
        """
        sent = self._sent_elsewhere(name, kind)
        if sent is not None:
            return sent
        from matsciml_core.registry.known_plugins import known_components  # needs json

        sentence = unknown_sentence(
            name,
            kind,
            installed=[*builtin, *sorted({spec.name for spec, _ in self.components(kind)})],
            elsewhere=[spec.kind for spec, _ in self.find(name)],
            plugins=self._plugins,
            index=known_components(kind),
        )
        return UnknownNameError(sentence)

    def _sent_elsewhere(self, name: str, kind: str | None) -> OtherEnvironmentError | None:
        """Return the error that sends a command to an environment; None: none offers the name.

        Raises:
            DuplicateNameError: Several do, and nothing tells which is meant.
        """
        matches = [item for item in self.elsewhere(kind) if item.offer.name == name]
        names = list(dict.fromkeys(item.environment.name for item in matches))
        if len(names) > 1:
            raise DuplicateNameError(
                f"'{name}' is offered in the environments {' and '.join(names)}; remove one of "
                "them."
            )
        if not matches:
            return None
        offer, environment = matches[0]
        sentence = elsewhere_sentence(offer.kind, name, environment.name, environment.folder)
        return OtherEnvironmentError(sentence, environment)


def _blocked(entry: EntryPoint) -> PluginRecord:
    return replace(
        new_record(entry),
        state="blocked",
        reason="is left out, because MATSCIML_PLUGINS does not name it",
        fix=f"Add '{entry.distribution}' to MATSCIML_PLUGINS, or unset that variable",
    )
