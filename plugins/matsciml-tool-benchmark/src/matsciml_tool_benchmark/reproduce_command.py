"""``matsciml reproduce``: run one experiment of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.state import registry_of
from matsciml_tool_benchmark.options import Budget, Launcher, Seeds, TableParent, TableRows


def reproduce(
    context: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(help="TABLE/ROW/ENCODER, as 'matsciml benchmark TABLE --list' shows them."),
    ],
    budget: Budget = "mini",
    launcher: Launcher = "local",
    seeds: Seeds = None,
    rows: TableRows = None,
    output: TableParent = Path("runs"),
) -> None:
    """Run one experiment of a table, and print its line beside the published number.

    The run counts for the whole table too, and is not repeated where it has finished already.
    """
    from matsciml_tool_benchmark.request import TableRequest
    from matsciml_tool_benchmark.table_commands import run_experiment

    table, _, name = experiment.partition("/")
    request = TableRequest(
        table=table,
        budget=budget,
        launcher=launcher,
        seeds=seeds,
        rows=rows or (),
        output=output,
    )
    run_experiment(name, request, registry_of(context))
