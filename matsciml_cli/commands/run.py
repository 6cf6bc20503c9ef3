"""``matsciml run``: train, test and report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from matsciml_cli.console import write_line
from matsciml_cli.failures import INTERRUPTED, telling_on_stop
from matsciml_cli.option_records import takes_options
from matsciml_cli.run_options import RunOptions
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room


@takes_options
def run(
    context: typer.Context,
    options: RunOptions,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Parent of the run folder.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue an interrupted run, for example runs/latest.")
    ] = None,
) -> None:
    """Train an encoder on a dataset, test it, and write a report."""
    flags = options.flags(output)  # what contradicts itself is said before anything is loaded
    leave_room(os.environ)
    registry = registry_of(context)
    if resume is None:
        request: dict[str, Any] = {"config": options.read(registry, output)}
    else:
        from matsciml_cli import _request

        changes = _request.read_changes(flags, options.config, options.overrides or [])
        request = {"resume": resume, **changes}
    # Imported last, because they import torch: whatever is misspelt has been answered by now.
    from matsciml_cli._run import explain_interruption, show
    from matsciml_core import RunInterrupted, train

    try:
        stopping = telling_on_stop("Nothing was trained yet; the same command starts again.")
        with stopping, options.naming_flags():
            result = train(**request, registry=registry)
    except RunInterrupted as stop:
        write_line(f"\n{explain_interruption(stop)}")
        raise typer.Exit(INTERRUPTED) from stop
    show(result)
