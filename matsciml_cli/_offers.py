"""What the plugins offer, as rows that ``list-plugins`` and ``doctor`` show."""

from __future__ import annotations

from dataclasses import dataclass

from matsciml_core.registry.manager import Offer, Registry


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One component on offer, or one plugin that offers nothing because it is not in use."""

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
    """Return everything on offer, then the plugins that are not in use.

    Args:
        registry: The registry.
        kind: Restricts what is on offer; plugins that are not in use are always listed, because
            nobody can tell what they would have offered.

    Returns:
        The rows, in the registry's order.

    Raises:
        UnknownNameError: There is no such kind.
    """
    return [_component(offer, registry) for offer in registry.offers(kind)] + _unused(registry)


def state_of(offer: Offer, registry: Registry) -> tuple[str, str]:
    """Return the state of a component, and what is wrong with it."""
    spec, record = offer
    rivals = [
        other.label
        for one, other in registry.find(spec.name)
        if one.kind == spec.kind and other is not record
    ]
    if rivals:
        return "duplicate", f"also offered by {' and by '.join(rivals)}"
    missing = registry.missing(spec)
    if missing:
        return "incomplete", " and ".join(problem.reason for problem in missing)
    return "ok", ""


def _component(offer: Offer, registry: Registry) -> Listing:
    spec, record = offer
    state, reason = state_of(offer, registry)
    return Listing(
        kind=spec.kind,
        name=spec.name,
        summary=spec.summary,
        distribution=record.distribution,
        version=record.version,
        state=state,
        reason=reason,
    )


def _unused(registry: Registry) -> list[Listing]:
    return [
        Listing(
            kind="plugin",
            name=record.entry_point,
            summary="",
            distribution=record.distribution,
            version=record.version,
            state=record.state,
            reason=record.reason,
        )
        for record in registry.plugins
        if record.state != "ok"
    ]
