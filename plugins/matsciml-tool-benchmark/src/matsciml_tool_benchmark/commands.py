"""``matsciml benchmark`` and ``matsciml reproduce``: fill a table, or run one of its experiments.

The modules that do the work are imported inside the functions, so that ``--help`` stays fast.
Nothing here imports torch: the runs are processes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import Row, warn, write_line, write_table
from matsciml_cli.failures import FAULT, INTERRUPTED
from matsciml_cli.state import registry_of
from matsciml_core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from matsciml_tool_benchmark.benchmark import Benchmark
    from matsciml_tool_benchmark.experiments import Experiment
    from matsciml_tool_benchmark.request import TableRequest

_Budget = Annotated[str, typer.Option(help="What it may cost: mini, devset or full.")]
_Launcher = Annotated[str, typer.Option(help="Where to run: local, ray or slurm.")]
_Seeds = Annotated[
    int | None, typer.Option(min=1, help="Runs of each experiment; default: as the budget says.")
]
_Jobs = Annotated[
    int | None, typer.Option(min=1, help="Most runs at a time; default: as many as fit.")
]
_Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="Run only experiments of this name, part or pattern; repeatable."),
]
_List = Annotated[
    bool, typer.Option("--list", help="Show the experiments and what they wait for; run nothing.")
]
_Rows = Annotated[
    list[Path] | None, typer.Option("--rows", help="YAML file with rows of your own.")
]
_Output = Annotated[Path, typer.Option("--output", "-o", help="Parent of the table's folder.")]
_STYLES = {"finished": "", "failed": "red", "interrupted": "red"}
"""State → colour in the terminal; others are dim."""


def benchmark(
    context: typer.Context,
    table: Annotated[
        str, typer.Argument(help="table1 to table5, a plugin's table, or the YAML file of one.")
    ],
    budget: _Budget = "mini",
    launcher: _Launcher = "local",
    seeds: _Seeds = None,
    jobs: _Jobs = None,
    only: _Only = None,
    rows: _Rows = None,
    output: _Output = Path("runs"),
    list_only: _List = False,
) -> None:
    """Fill a table with runs, and set it beside the published numbers.

    Experiments that have finished are not run again, so that the same command continues after an
    interruption; failed ones are tried again. Each line of the table says what is missing for it.
    Writes table.html, table.md, table.csv and table.json into OUTPUT/TABLE-BUDGET.
    """
    from matsciml_tool_benchmark.benchmark import open_benchmark
    from matsciml_tool_benchmark.data_table import write_data_table
    from matsciml_tool_benchmark.experiments import select
    from matsciml_tool_benchmark.request import TableRequest
    from matsciml_tool_benchmark.table_lookup import find_table

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
    described = find_table(request, registry, warn)
    if described.kind == "data" and not list_only:
        write_line(f"Table: {write_data_table(described, request, registry)}")
        return
    opened = open_benchmark(described, request, registry)
    experiments = select(opened.experiments, request.only)
    if list_only:
        _list(opened, experiments)
        return
    failed = _run(opened, experiments, request)
    write_line(f"Table: {opened.folder.path / 'table.html'}")
    if failed:
        warn(f"{failed} {'run' if failed == 1 else 'runs'} failed; the same command tries again.")
        raise typer.Exit(FAULT)


def reproduce(
    context: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(help="TABLE/ROW/ENCODER, as 'matsciml benchmark TABLE --list' shows them."),
    ],
    budget: _Budget = "mini",
    launcher: _Launcher = "local",
    seeds: _Seeds = None,
    rows: _Rows = None,
    output: _Output = Path("runs"),
) -> None:
    """Run one experiment of a table, and print its line beside the published number.

    The run counts for the whole table too, and is not repeated where it has finished already.
    """
    from matsciml_tool_benchmark.benchmark import open_benchmark
    from matsciml_tool_benchmark.request import TableRequest
    from matsciml_tool_benchmark.table_lookup import find_table

    table, _, name = experiment.partition("/")
    request = TableRequest(
        table=table,
        budget=budget,
        launcher=launcher,
        seeds=seeds,
        rows=rows or (),
        output=output,
    )
    registry = registry_of(context)
    opened = open_benchmark(find_table(request, registry, warn), request, registry)
    experiments = [item for item in opened.experiments if item.name == name]
    if not experiments:
        names = list(dict.fromkeys(item.name for item in opened.experiments))
        raise ConfigError(
            f"The table '{table}' has no experiment '{name}' with the budget '{budget}'."
            f"{did_you_mean(name, names)} See: matsciml benchmark {table} --list"
        )
    if name in opened.unavailable:
        raise ConfigError(f"'{name}' cannot run here. {opened.unavailable[name].sentence}")
    failed = _run(opened, experiments, request)
    entries = opened.entries(experiments)
    for note in dict.fromkeys(note for entry in entries for note in entry.notes):
        write_line(f"Note: {opened.table.notes[note]}")
    for run in entries[0].runs:
        write_line(f"Report: {run.folder / 'report.html'}")
    if failed:
        raise typer.Exit(FAULT)


def _list(opened: Benchmark, experiments: Sequence[Experiment]) -> None:
    """Print experiments, and what keeps them from running."""
    # An experiment with several labels has several entries, all with the same state.
    entries = {entry.experiment: entry for entry in opened.entries(experiments)}
    rows = [
        Row((name, entry.state, entry.remark), "green" if entry.state == "finished" else "")
        for name, entry in entries.items()
    ]
    write_table(rows, header=("experiment", "state", "remark"))


def _run(opened: Benchmark, experiments: Sequence[Experiment], request: TableRequest) -> int:
    """Run those of the experiments that have not finished, print all, return how many failed.

    Raises:
        typer.Exit: The user pressed Ctrl-C.
    """
    from matsciml_tool_benchmark.filling import HEADER, fill, texts

    total = len(opened.available(experiments))
    left = len(opened.unfinished(experiments))
    write_line(f"{total - left} of {total} runs are finished, {left} to go.")
    try:
        failed = fill(opened, experiments, request, lambda text: write_line(text, flush=True))
    except KeyboardInterrupt as stop:
        left = len(opened.unfinished(experiments))
        warn(f"Interrupted; {left} of {total} runs are left. Go on with: {request.resumption}")
        raise typer.Exit(INTERRUPTED) from stop
    rows = [
        Row(texts(entry), _STYLES.get(entry.state, "dim")) for entry in opened.entries(experiments)
    ]
    write_table(rows, header=HEADER)
    return failed
