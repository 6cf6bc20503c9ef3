"""``matsciml reproduce``: run one cell of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.options import Budget, Launcher, TableParent, TableRows
from matsciml_cli.state import registry_of


def reproduce(
    context: typer.Context,
    cell: Annotated[
        str,
        typer.Argument(help="TABLE/ROW/ENCODER, as 'matsciml benchmark TABLE --list' shows them."),
    ],
    budget: Budget = "mini",
    launcher: Launcher = "local",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of the cell; default: as the budget says.")
    ] = None,
    rows: TableRows = None,
    output: TableParent = Path("runs"),
) -> None:
    """Run one cell of a table, and print its line beside the published number.

    The run counts for the whole table too, and is not repeated where it is finished already.
    """
    from matsciml_tool_benchmark import filling

    table, _, name = cell.partition("/")
    request = filling.Request(
        table=table,
        budget=budget,
        launcher=launcher,
        seeds=seeds,
        jobs=None,
        only=(name,),
        rows=tuple(rows or ()),
        output=output,
    )
    filling.reproduce(request, registry_of(context))
