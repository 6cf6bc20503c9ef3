"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, hookimpl


@hookimpl
def matsciml_hookspecs() -> Iterable[str]:
    """Let other plugins offer rows, or tables of their own."""
    yield "matsciml_tool_benchmark.hooks:BenchmarkHooks"


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer tables of runs beside the published numbers."""
    yield CommandSpec(
        name="benchmark",
        group="Evaluate",
        summary="Fill a table with runs, beside the published numbers.",
        class_path="matsciml_tool_benchmark.commands:benchmark",
    )
    yield CommandSpec(
        name="reproduce",
        group="Evaluate",
        summary="Run one experiment of a table.",
        class_path="matsciml_tool_benchmark.commands:reproduce",
    )
