"""What the commands of one command line share: the registry, built when it is first needed."""

from __future__ import annotations

import typer

from matsciml_core.registry.manager import Registry, build_registry


def registry_of(context: typer.Context, *, strict: bool | None = None) -> Registry:
    """Return the registry of this command line.

    Args:
        context: The context that typer hands to every command that asks for one.
        strict: As for :func:`matsciml_core.build_registry`; heeded where the registry is built,
            that is, at the first call.

    Returns:
        The registry.

    Raises:
        PluginLoadError: A plugin failed, and ``strict`` or ``MATSCIML_STRICT`` holds.
    """
    # The root's, so that subcommands of a group share it; a second one would take as long again.
    root = context.find_root()
    if not isinstance(root.obj, Registry):
        root.obj = build_registry(strict=strict)
    return root.obj
