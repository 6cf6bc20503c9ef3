"""Components and plugins as rows that ``list-plugins`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matsciml_core import __version__
from matsciml_core.registry.environments import Elsewhere
from matsciml_core.registry.manager import Component, Registry
from matsciml_core.registry.records import PluginRecord

if TYPE_CHECKING:
    from matsciml_core.registry.known_plugins import KnownComponent


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
    """``ok``, ``duplicate``, ``incomplete`` (something it requires is missing), ``failed``,
    ``blocked``, or ``available`` (not installed)."""
    reason: str = ""
    """What is wrong, or what it needs; empty where the state is ``ok``."""
    environment: str | None = None
    """The environment that offers it; None: the one that runs."""


def listings(registry: Registry, kind: str | None = None) -> list[Listing]:
    """Return all components, then what environments offer, then the plugins that are not in use.

    Args:
        registry: The registry.
        kind: Restricts the components; plugins that are not in use are always listed, because
            what they would have offered is not known.

    Returns:
        The rows, in the registry's order.

    Raises:
        UnknownNameError: There is no such kind.
    """
    rows = []
    there = [_elsewhere(item) for item in registry.elsewhere(kind)]
    replaced = {(row.kind, row.name) for row in there}
    for component in registry.components(kind):
        spec, plugin = component
        if (spec.kind, spec.name) in replaced:  # it lacks something here
            continue
        state, reason = state_of(component, registry)
        row = Listing(
            kind=spec.kind,
            name=spec.name,
            summary=spec.summary,
            distribution=plugin.distribution,
            version=plugin.version,
            state=state,
            reason=reason,
        )
        rows.append(row)
    own = _own_readers() if kind in (None, "reader") else []
    place = next((index for index, row in enumerate(rows) if row.kind == "reader"), len(rows))
    rows[place:place] = own
    rows += there
    for plugin in registry.plugins:
        # They come last, and whatever kind is asked for: their components are not known.
        if plugin.state != "ok":
            row = Listing(
                kind="plugin",
                name=plugin.entry_point,
                summary="",
                distribution=plugin.distribution,
                version=plugin.version,
                state=plugin.state,
                reason=plugin.reason,
            )
            rows.append(row)
    return rows


def _elsewhere(item: Elsewhere) -> Listing:
    return Listing(
        kind=item.offer.kind,
        name=item.offer.name,
        summary=item.offer.summary,
        distribution=item.offer.distribution,
        version=item.offer.version,
        state="ok",
        environment=item.environment.name,
    )


def _own_readers() -> list[Listing]:
    """Return the formats that the core reads itself, which no plugin offers."""
    from matsciml_core.data.readers.detection import EXTENDED_XYZ

    return [
        Listing(
            kind=EXTENDED_XYZ.kind,
            name=EXTENDED_XYZ.name,
            summary=EXTENDED_XYZ.summary,
            distribution="matsciml",
            version=__version__,
            state="ok",
        )
    ]


def available_listings(registry: Registry, kind: str | None = None) -> list[Listing]:
    """Return what the plugins of the index offer, installed or not, in the order of the index.

    Args:
        registry: The registry, which knows what is installed.
        kind: Restricts the components; None: all kinds.

    Returns:
        The rows; those that are not installed are in the state ``available``.

    Raises:
        UnknownNameError: There is no such kind, neither here nor in the index.
    """
    from matsciml_core.registry.known_plugins import known_components

    known = known_components(kind)
    if not known and kind is not None:
        registry.components(kind)  # raises where the kind does not exist
    rows = {(row.kind, row.name, row.distribution): row for row in listings(registry)}
    unused = {plugin.distribution: plugin for plugin in registry.plugins if plugin.state != "ok"}
    return [
        rows.get((item.kind, item.name, item.distribution))
        or _available(item, unused.get(item.distribution))
        for item in known
    ]


def state_of(component: Component, registry: Registry) -> tuple[str, str]:
    """Return the state of a component, and what is wrong with it."""
    spec, plugin = component
    # By identity of the plugin: two distributions of one name may be on the path.
    rivals = [
        other.plugin.label
        for other in registry.find(spec.name)
        if other.spec.kind == spec.kind and other.plugin is not plugin
    ]
    if rivals:
        return "duplicate", f"also offered by {' and by '.join(rivals)}"
    missing = registry.missing(spec)
    if missing:
        return "incomplete", ", ".join(problem.reason for problem in missing)
    return "ok", ""


def _available(item: KnownComponent, plugin: PluginRecord | None) -> Listing:
    """Return the row of what is not installed, or not in use for the reason of its plugin."""
    needs = f"needs {' and '.join(item.requires)}" if item.requires else ""
    conditions = "; ".join(filter(None, (needs, item.requires_note)))
    return Listing(
        kind=item.kind,
        name=item.name,
        summary=item.summary,
        distribution=item.distribution,
        version=plugin.version if plugin else "",
        state=plugin.state if plugin else "available",
        reason=plugin.reason if plugin else conditions,
    )
