"""Completion of component names in the shell. Fast: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable

from matsciml_core.registry.manager import build_registry


def complete_names(kind: str | None = None) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function that completes the names of one kind, for typer's ``autocompletion``.

    Args:
        kind: One of the registry's kinds; None: the names of every kind.

    Returns:
        A function from what was typed to pairs of name and summary.

    >>> complete_names("dataset")("no such name")
    []
    """

    def complete(incomplete: str) -> list[tuple[str, str]]:
        # A broken plugin must not fill the line that the user is typing with a traceback.
        registry = build_registry(strict=False)
        names = {spec.name: spec.summary for spec, _ in registry.components(kind)}
        for offer, environment in registry.elsewhere(kind):
            names[offer.name] = f"{offer.summary} (environment {environment.name})"
        return [item for item in names.items() if item[0].startswith(incomplete)]

    return complete


def complete_kinds(incomplete: str) -> list[str]:
    """Complete the kind of a component."""
    return [kind for kind in build_registry(strict=False).kinds if kind.startswith(incomplete)]
