"""``matsciml reproduce``: run one experiment of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.options import Budget, Launcher, TableParent, TableRows
from matsciml_cli.state import registry_of


def reproduce(
    context: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(help="TABLE/ROW/ENCODER, as 'matsciml benchmark TABLE --list' shows them."),
    ],
    budget: Budget = "mini",
    launcher: Launcher = "local",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of the experiment; default: as the budget says.")
    ] = None,
    rows: TableRows = None,
    output: TableParent = Path("runs"),
) -> None:
    """Run one experiment of a table, and print its line beside the published number.

    The run counts for the whole table too, and is not repeated where it is finished already.
    """
    from matsciml_tool_benchmark import table_commands

    table, _, name = experiment.partition("/")
    request = table_commands.Request(
        table=table,
        budget=budget,
        launcher=launcher,
        seeds=seeds,
        jobs=None,
        only=(name,),
        rows=tuple(rows or ()),
        output=output,
    )
    table_commands.reproduce(request, registry_of(context))
