"""What the commands of this tool do once their flags are read, and what they print.

Nothing here imports torch: the runs are processes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import typer

from matsciml_cli.console import Row, warn
from matsciml_cli.console import write_table as print_table
from matsciml_cli.failures import FAULT, INTERRUPTED
from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.registry.manager import Registry
from matsciml_tool_benchmark.benchmark import Benchmark, open_benchmark
from matsciml_tool_benchmark.data_table import write_data_table
from matsciml_tool_benchmark.entries import Entry
from matsciml_tool_benchmark.experiments import Experiment, select
from matsciml_tool_benchmark.launchers import open_launcher
from matsciml_tool_benchmark.request import TableRequest
from matsciml_tool_benchmark.running import Progress, run_experiments
from matsciml_tool_benchmark.table_folder import LOG
from matsciml_tool_benchmark.table_lookup import find_table
from matsciml_tool_benchmark.table_page import write_table
from matsciml_util_pages.metrics import metric_info
from matsciml_util_pages.numbers import ABSENT, duration, number
from matsciml_util_pages.sheets import spread_value

_STYLES = {"finished": "", "failed": "red", "interrupted": "red"}
"""State → colour in the terminal; others are dim."""
_HEADER = ("experiment", "label", "metric", "here", "published", "baseline", "skill", "state")


def fill_table(request: TableRequest, registry: Registry) -> None:
    """Fill a table, and print it.

    Raises:
        ConfigError: The table, its budget or the launcher does not exist.
        typer.Exit: An experiment failed, or the user pressed Ctrl-C.
    """
    table = find_table(request, registry)
    if table.kind == "data":
        print(f"Table: {write_data_table(table, request, registry)}")
        return
    benchmark = open_benchmark(table, request, registry)
    experiments = select(benchmark.experiments, request.only)
    failed = _run(benchmark, experiments, request)
    print_table([_row(entry) for entry in benchmark.entries(experiments)], header=_HEADER)
    print(f"Table: {benchmark.folder.path / 'table.html'}")
    if failed:
        runs = "run has" if failed == 1 else "runs have"
        warn(f"{failed} {runs} failed; the same command tries again.")
        raise typer.Exit(FAULT)


def run_experiment(name: str, request: TableRequest, registry: Registry) -> None:
    """Run one experiment of a table, and print its entries.

    Args:
        name: Row and column.
        request: The table.
        registry: Where components are looked up.

    Raises:
        ConfigError: There is no such experiment, or it cannot run here.
        typer.Exit: It failed, or the user pressed Ctrl-C.
    """
    benchmark = open_benchmark(find_table(request, registry), request, registry)
    experiments = [item for item in benchmark.experiments if item.name == name]
    if not experiments:
        names = list(dict.fromkeys(item.name for item in benchmark.experiments))
        raise ConfigError(
            f"The table '{request.table}' has no experiment '{name}' with the budget "
            f"'{request.budget}'.{did_you_mean(name, names)} "
            f"See: matsciml benchmark {request.table} --list"
        )
    if name in benchmark.unavailable:
        raise ConfigError(f"'{name}' cannot run here. {benchmark.unavailable[name].sentence}")
    failed = _run(benchmark, experiments, request)
    entries = benchmark.entries(experiments)
    print_table([_row(entry) for entry in entries], header=_HEADER)
    for note in dict.fromkeys(note for entry in entries for note in entry.notes):
        print(f"Note: {benchmark.table.notes[note]}")
    for run in entries[0].runs:
        print(f"Report: {run.folder / 'report.html'}")
    if failed:
        raise typer.Exit(FAULT)


def list_experiments(request: TableRequest, registry: Registry) -> None:
    """Print the experiments of a table, and what keeps them from running.

    Raises:
        ConfigError: The table or its budget does not exist, or it has no experiments.
    """
    table = find_table(request, registry)
    if table.kind == "data":
        raise ConfigError(
            f"'{table.name}' is about data and has no experiments; run it without --list."
        )
    benchmark = open_benchmark(table, request, registry)
    entries = benchmark.entries(select(benchmark.experiments, request.only))
    # An experiment with several labels has several entries, all with the same state.
    lines = {entry.experiment: (entry.experiment, entry.state, entry.remark) for entry in entries}
    rows = [Row(line, "green" if line[1] == "finished" else "") for line in lines.values()]
    print_table(rows, header=("experiment", "state", "remark"))


def _run(benchmark: Benchmark, experiments: Sequence[Experiment], request: TableRequest) -> int:
    """Run those of the experiments that have not finished, and return how many failed.

    Raises:
        typer.Exit: The user pressed Ctrl-C.
    """
    total = len(benchmark.available(experiments))
    left = benchmark.unfinished(experiments)
    print(f"{total - len(left)} of {total} runs are finished, {len(left)} to go.")
    failed = 0

    def after_each(progress: Progress) -> None:
        nonlocal failed
        failed += progress.status.state == "failed"
        write_table(benchmark)
        print(_sentence(progress, benchmark), flush=True)

    launcher = open_launcher(request.launcher, jobs=request.jobs, folder=str(benchmark.folder.path))
    try:
        if left:
            run_experiments(left, benchmark.folder, launcher, after_each)
    except KeyboardInterrupt as stop:
        left = benchmark.unfinished(experiments)
        warn(f"Interrupted; {len(left)} of {total} runs are left. Go on with: {request.command}")
        raise typer.Exit(INTERRUPTED) from stop
    finally:
        write_table(benchmark)
    return failed


def _sentence(progress: Progress, benchmark: Benchmark) -> str:
    experiment, status = progress.experiment, progress.status
    head = f"[{progress.done}/{progress.total}] {experiment.key}"
    if status.state != "finished":
        log = benchmark.folder.of(experiment) / LOG
        return f"{head} {status.state}: {status.sentence} Log: {log}"
    return f"{head} finished in {duration(progress.seconds)}"


def _row(entry: Entry) -> Row:
    metric = metric_info(entry.metric).short
    published = ABSENT
    if entry.published:
        best = "" if entry.published.encoder else " (best)"
        published = f"{entry.published.value:g}{best}"
    texts = (
        entry.experiment,
        entry.label,
        f"{metric} ({entry.unit})" if entry.unit else metric,
        spread_value(entry.value).text,
        published,
        number(entry.baseline[1]) if entry.baseline else ABSENT,
        number(entry.over_seeds("skill").mean),
        f"{entry.state}. {entry.remark}" if entry.remark else entry.state,
    )
    return Row(texts, _STYLES.get(entry.state, "dim"))
