"""What the commands of one command line share: the registry, built when it is first needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from matsciml_cli.console import warn
from matsciml_core.registry.manager import Registry, build_registry
from matsciml_core.registry.records import PluginRecord

_SLOW = 2.0
"""Seconds of waiting for one plugin after which it is named."""


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
        slow = slow_plugin(root.obj.plugins)
        if slow is not None and sys.stderr.isatty():
            warn(
                f"Loading {slow.label} took {slow.seconds:.1f} s, for which every command waits; "
                "see 'matsciml doctor'."
            )
    return root.obj


def slow_plugin(plugins: Sequence[PluginRecord]) -> PluginRecord | None:
    """Return the plugin that takes long to load, and longer than all others together.

    Where all take long, the machine is busy or its disk slow, and none is to blame.

    Args:
        plugins: All plugins.
    """
    slowest = max(plugins, key=lambda plugin: plugin.seconds, default=None)
    total = sum(plugin.seconds for plugin in plugins)
    if slowest is None or slowest.seconds < _SLOW or slowest.seconds < 0.5 * total:
        return None
    return slowest
