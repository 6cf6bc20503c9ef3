"""What ``matsciml benchmark`` and ``matsciml reproduce`` do once their flags are read.

Nothing here imports torch: the runs are processes of their own.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import typer

from matsciml_cli.console import Row, warn, write_table
from matsciml_cli.failures import FAULT, INTERRUPTED
from matsciml_cli.tasks import published_plugins
from matsciml_core.errors import ConfigError, MatSciMLError, UnknownNameError, did_you_mean
from matsciml_core.registry.manager import Registry
from matsciml_tool_benchmark.benchmark import Benchmark, prepare
from matsciml_tool_benchmark.data_table import write_data_table
from matsciml_tool_benchmark.entries import Entry
from matsciml_tool_benchmark.experiments import Experiment, choose
from matsciml_tool_benchmark.hooks import BenchmarkSpec
from matsciml_tool_benchmark.launchers import open_launcher
from matsciml_tool_benchmark.running import Progress
from matsciml_tool_benchmark.table import (
    DEFAULT_BUDGETS,
    BenchmarkTable,
    add_rows,
    read_table,
)
from matsciml_util_pages.metrics import metric_info
from matsciml_util_pages.numbers import ABSENT, duration, number
from matsciml_util_pages.sheets import spread_value

_STYLES = {"finished": "green", "failed": "red", "interrupted": "red"}
_FOLDER = "tables"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asked for."""

    table: str
    budget: str
    launcher: str
    seeds: int | None
    jobs: int | None
    only: tuple[str, ...]
    rows: tuple[Path, ...]
    output: Path

    @property
    def command(self) -> str:
        """The command that fills the whole table, as a person would type it."""
        words = ["matsciml", "benchmark", self.table, "--budget", self.budget]
        words += ["--seeds", str(self.seeds)] if self.seeds else []
        words += [word for path in self.rows for word in ("--rows", str(path))]
        words += ["--output", str(self.output)] if str(self.output) != "runs" else []
        return shlex.join(words)


def fill(request: Request, registry: Registry) -> None:
    """Fill a table, and print it.

    Raises:
        ConfigError: The table, its budget or the launcher does not exist.
        typer.Exit: An experiment failed, or the user pressed Ctrl-C.
    """
    table = find_table(request, registry)
    if table.kind == "data":
        print(f"Table: {write_data_table(table, request, registry)}")
        return
    made = _prepare(table, request, registry)
    experiments = choose(made.experiments, request.only)
    failed = _run(made, experiments, request)
    write_table([_row(line) for line in _lines_of(made, experiments)], header=_HEADER)
    print(f"Table: {made.folder.path / 'table.html'}")
    if failed:
        warn(f"{failed} experiments have failed; the same command tries them again.")
        raise typer.Exit(FAULT)


def reproduce(request: Request, registry: Registry) -> None:
    """Run one experiment, and print its lines.

    Raises:
        ConfigError: There is no such experiment, or it cannot run here.
        typer.Exit: It failed, or the user pressed Ctrl-C.
    """
    made = _prepare(find_table(request, registry), request, registry)
    (name,) = request.only
    experiments = [experiment for experiment in made.experiments if experiment.name == name]
    if not experiments:
        names = list(
            dict.fromkeys(f"{made.table.name}/{experiment.name}" for experiment in made.experiments)
        )
        wanted = f"{request.table}/{name}"
        raise ConfigError(
            f"There is no experiment '{wanted}' with the budget '{request.budget}'."
            f"{did_you_mean(wanted, names)} See: matsciml benchmark {request.table} --list"
        )
    if name in made.unavailable:
        raise ConfigError(f"'{name}' cannot run here. {made.unavailable[name].sentence}")
    failed = _run(made, experiments, request)
    lines = _lines_of(made, experiments)
    write_table([_row(line) for line in lines], header=_HEADER)
    for note in dict.fromkeys(note for line in lines for note in line.notes):
        print(f"Note: {made.table.notes[note]}")
    for run in lines[0].runs:
        print(f"Report: {run.folder / 'report.html'}")
    if failed:
        raise typer.Exit(FAULT)


def show_experiments(request: Request, registry: Registry) -> None:
    """List the experiments of a table, and what they wait for."""
    table = find_table(request, registry)
    if table.kind == "data":
        raise ConfigError(
            f"'{table.name}' is about data and has no experiments; run it without --list."
        )
    made = _prepare(table, request, registry)
    lines = _lines_of(made, choose(made.experiments, request.only))
    seen = {line.experiment: (line.experiment, line.state, line.remark) for line in lines}
    rows = [Row(experiments, _STYLES.get(experiments[1], "")) for experiments in seen.values()]
    write_table(rows, header=("experiment", "state", "remark"))


def find_table(request: Request, registry: Registry) -> BenchmarkTable:
    """Return the table that the user names, with the rows of plugins and of the user's files.

    Raises:
        ConfigError: There is none of that name, or a file cannot be read.
    """
    path = Path(request.table)
    if path.suffix in (".yaml", ".yml"):
        table = read_table(path)
    else:
        table = _named_table(request.table, registry)
    if not table.budgets:
        table = table.model_copy(update={"budgets": DEFAULT_BUDGETS})
    for file in request.rows:
        table = add_rows(table, file)
    return table


def _named_table(name: str, registry: Registry) -> BenchmarkTable:
    specs = registry.specs("benchmark")
    known = {spec.name: spec for spec in specs if isinstance(spec, BenchmarkSpec)}
    folder = files("matsciml_tool_benchmark").joinpath(_FOLDER)
    built_in = [file.name.removesuffix(".yaml") for file in folder.iterdir()]
    if name in built_in:
        with as_file(folder.joinpath(f"{name}.yaml")) as path:
            table = read_table(path)
    elif name in known and not known[name].table:
        table = BenchmarkTable(name=name, title=known[name].summary, budgets=DEFAULT_BUDGETS)
    else:
        names = sorted([*built_in, *(spec.name for spec in known.values() if not spec.table)])
        raise UnknownNameError(
            f"There is no table '{name}'.{did_you_mean(name, names)} Tables: {', '.join(names)}; "
            "or name the YAML file of one."
        )
    for spec in known.values():
        if (spec.table or spec.name) == name:
            table = _with_rows_of_plugin(table, spec.name, registry)
    return table


def _with_rows_of_plugin(table: BenchmarkTable, name: str, registry: Registry) -> BenchmarkTable:
    """Add the rows of a plugin; where they are faulty, say so and do without them."""
    try:
        spec = registry.get("benchmark", name)
        origin = registry.record_of(spec).distribution
        rows = [row.model_copy(update={"origin": origin}) for row in spec.load()()]
        return table.with_rows(rows)
    except MatSciMLError as error:
        warn(f"The rows of the benchmark '{name}' are left out: {error}")
        return table


def _prepare(table: BenchmarkTable, request: Request, registry: Registry) -> Benchmark:
    return prepare(
        table,
        request.budget,
        registry,
        output=request.output,
        program=_program(),
        command=request.command,
        seeds=request.seeds,
        origins=published_plugins(),
    )


def _lines_of(made: Benchmark, experiments: Sequence[Experiment]) -> list[Entry]:
    """Return the lines of some of the experiments."""
    names = {f"{made.table.name}/{experiment.name}" for experiment in experiments}
    return [line for line in made.lines() if line.experiment in names]


def _program() -> tuple[str, ...]:
    """Return what runs ``matsciml`` in this environment."""
    script = Path(sys.executable).with_name("matsciml")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "matsciml_cli")


def _run(made: Benchmark, wanted: Sequence[Experiment], request: Request) -> int:
    """Run what is not finished of the experiments, and return how many failed.

    Raises:
        typer.Exit: The user pressed Ctrl-C.
    """
    experiments = made.to_do(wanted)
    able = [experiment for experiment in wanted if experiment.name not in made.unavailable]
    print(
        f"{len(able) - len(experiments)} of {len(able)} runs are finished, "
        f"{len(experiments)} to go."
    )
    failed = 0

    def tell(progress: Progress) -> None:
        nonlocal failed
        failed += progress.status.state == "failed"
        print(_sentence(progress, made), flush=True)

    try:
        made.fill(
            experiments,
            open_launcher(request.launcher, jobs=request.jobs, folder=str(made.folder.path)),
            tell,
        )
    except KeyboardInterrupt as stop:
        left = len(made.to_do(wanted))
        warn(f"Interrupted; {left} of {len(able)} runs are left. Go on with: {request.command}")
        raise typer.Exit(INTERRUPTED) from stop
    return failed


def _sentence(progress: Progress, made: Benchmark) -> str:
    experiment, status = progress.experiment, progress.status
    head = f"[{progress.done}/{progress.total}] {experiment.key}"
    if status.state != "finished":
        log = made.folder.of(experiment) / "log.txt"
        return f"{head} {status.state}: {status.sentence} Log: {log}"
    return f"{head} finished in {duration(progress.seconds)}"


_HEADER = ("experiment", "label", "metric", "here", "published", "baseline", "skill", "state")


def _row(line: Entry) -> Row:
    metric = metric_info(line.metric).short
    published = ABSENT
    if line.published:
        best = "" if line.published.encoder else " (best)"
        published = f"{line.published.value:g}{best}"
    state = f"{line.state}. {line.remark}" if line.remark else line.state
    experiments = (
        line.experiment,
        line.label,
        f"{metric} ({line.unit})" if line.unit else metric,
        spread_value(line.value).text,
        published,
        number(line.baseline[1]) if line.baseline else ABSENT,
        number(line.over_seeds("skill").mean),
        state,
    )
    return Row(experiments, _STYLES.get(line.state, "dim") if line.state != "finished" else "")
