"""``matsciml benchmark``: fill a table with runs, and set it beside the published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.state import registry_of
from matsciml_tool_benchmark.options import Budget, Launcher, Seeds, TableParent, TableRows


def benchmark(
    context: typer.Context,
    table: Annotated[
        str, typer.Argument(help="table1 to table5, a plugin's table, or the YAML file of one.")
    ],
    budget: Budget = "mini",
    launcher: Launcher = "local",
    seeds: Seeds = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Most runs at a time; default: as many as fit.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="Run only experiments of this name, part or pattern; repeatable."
        ),
    ] = None,
    rows: TableRows = None,
    output: TableParent = Path("runs"),
    list_only: Annotated[
        bool,
        typer.Option("--list", help="Show the experiments and what they wait for; run nothing."),
    ] = False,
) -> None:
    """Fill a table with runs, and set it beside the published numbers.

    Experiments that have finished are not run again, so that the same command continues after an
    interruption; failed ones are tried again. Each line of the table says what is missing for it.
    Writes table.html, table.md, table.csv and table.json into OUTPUT/TABLE-BUDGET.
    """
    from matsciml_tool_benchmark.request import TableRequest
    from matsciml_tool_benchmark.table_commands import fill_table, list_experiments

    request = TableRequest(
        table=table,
        budget=budget,
        launcher=launcher,
        seeds=seeds,
        jobs=jobs,
        only=only or (),
        rows=rows or (),
        output=output,
    )
    registry = registry_of(context)
    if list_only:
        list_experiments(request, registry)
    else:
        fill_table(request, registry)
