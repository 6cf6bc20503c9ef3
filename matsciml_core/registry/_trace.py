"""Print hook calls to stderr when the user asks for it with ``MATSCIML_TRACE=1``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from matsciml_core.registry.environment import flag


def trace(manager: pluggy.PluginManager) -> None:
    """Make a manager print its hook calls, if ``MATSCIML_TRACE`` is set."""
    # Hooked in only where it is asked for: monitoring wraps every call.
    if flag("MATSCIML_TRACE"):
        manager.add_hookcall_monitoring(_before, _after)


def _before(name: str, implementations: Sequence[Any], arguments: Mapping[str, Any]) -> None:
    # Calls that no plugin answers would drown the others.
    if implementations:
        plugins = ", ".join(one.plugin_name for one in implementations)
        values = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        print(f"matsciml: {name}({values}) -> {plugins}", file=sys.stderr)


def _after(
    outcome: pluggy.Result[Any],
    name: str,
    implementations: Sequence[Any],
    arguments: Mapping[str, Any],
) -> None:
    del arguments
    if outcome.exception is not None:
        print(f"matsciml: {name} raised {outcome.exception!r}", file=sys.stderr)
    elif implementations:
        print(f"matsciml: {name} returned {outcome.get_result()!r}", file=sys.stderr)
