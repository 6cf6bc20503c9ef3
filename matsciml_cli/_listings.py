"""Components and plugins as rows that ``list-plugins`` shows."""

from __future__ import annotations

from dataclasses import dataclass

from matsciml_core.registry.manager import Component, Registry
from matsciml_core.registry.records import PluginRecord


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One component, or one plugin that offers nothing because it is not in use."""

    kind: str
    """The component's kind; ``plugin`` for a plugin that is not in use."""
    name: str
    summary: str
    """What the component is, or why the plugin is not in use."""
    distribution: str
    version: str
    state: str
    """``ok``, ``duplicate``, ``incomplete`` (something it requires is missing), ``failed`` or
    ``blocked``."""
    reason: str = ""
    """What is wrong; empty where the state is ``ok``."""


def listings(registry: Registry, kind: str | None = None) -> list[Listing]:
    """Return all components, then the plugins that are not in use.

    Args:
        registry: The registry.
        kind: Restricts the components; plugins that are not in use are always listed, because
            what they would have offered is not known.

    Returns:
        The rows, in the registry's order.

    Raises:
        UnknownNameError: There is no such kind.
    """
    components = [_component(component, registry) for component in registry.components(kind)]
    unused = [plugin for plugin in registry.plugins if plugin.state != "ok"]
    return components + [_unused_plugin(plugin) for plugin in unused]


def state_of(component: Component, registry: Registry) -> tuple[str, str]:
    """Return the state of a component, and what is wrong with it."""
    spec, plugin = component
    rivals = [
        other.plugin.label
        for other in registry.find(spec.name)
        if other.spec.kind == spec.kind and other.plugin is not plugin
    ]
    if rivals:
        return "duplicate", f"also offered by {' and by '.join(rivals)}"
    missing = registry.missing(spec)
    if missing:
        return "incomplete", " and ".join(problem.reason for problem in missing)
    return "ok", ""


def _component(component: Component, registry: Registry) -> Listing:
    spec, plugin = component
    state, reason = state_of(component, registry)
    return Listing(
        kind=spec.kind,
        name=spec.name,
        summary=spec.summary,
        distribution=plugin.distribution,
        version=plugin.version,
        state=state,
        reason=reason,
    )


def _unused_plugin(plugin: PluginRecord) -> Listing:
    return Listing(
        kind="plugin",
        name=plugin.entry_point,
        summary="",
        distribution=plugin.distribution,
        version=plugin.version,
        state=plugin.state,
        reason=plugin.reason,
    )
