"""``matsciml sweep``: search for the best settings of a run.

The modules that do the work are imported inside the functions, so that ``--help`` stays fast.
Nothing here imports torch: the runs are processes of their own.
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import Row, warn, write_line, write_table
from matsciml_cli.failures import FAULT, INTERRUPTED
from matsciml_cli.option_records import takes_options
from matsciml_cli.run_options import RunOptions, look_up
from matsciml_cli.state import registry_of

if TYPE_CHECKING:
    from matsciml_tool_sweep.searching import Limits
    from matsciml_tool_sweep.study import Study
    from matsciml_tool_sweep.sweep import Sweep

_STYLES = {"failed": "red", "pruned": "dim", "running": "dim"}
"""State → colour in the terminal."""
_PAGE_SECONDS = 60.0
"""Time between two writings of the page while trials run; it takes a second or two."""


@takes_options
def sweep(
    context: typer.Context,
    options: RunOptions,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            "-v",
            help="What to vary: KEY=LOW..HIGH, with :log or :int behind it, or KEY=A,B; repeat.",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, earlier ones included.")] = 20,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes that the whole sweep may take now.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What to compare trials by, on the validation set: loss, mae, DATASET/LABEL/mae, …"
        ),
    ] = None,
    no_pruning: Annotated[
        bool, typer.Option("--no-pruning", help="Let hopeless trials run to their end.")
    ] = False,
    launcher: Annotated[str, typer.Option(help="Where to run: local, ray or slurm.")] = "local",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Most trials at a time; default: as many as fit.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Parent of the sweep's folder.")
    ] = Path("runs"),
) -> None:
    """Search for the best settings of a run by many short ones.

    The next settings are chosen by what became of those before, and trials whose validation curve
    is worse than the median of the others are stopped. The same command continues after an
    interruption; what has finished is not run again. Writes sweep.html, sweep.md, sweep.csv,
    sweep.json, and best.yaml for 'matsciml run --config', into a folder below OUTPUT.
    """
    started = time.monotonic()
    registry = registry_of(context)
    data = options.read(registry)
    from matsciml_tool_sweep.request import Request, open_sweep, remarks

    request = Request(
        data=data,
        vary=vary or [],
        given=[
            *(pair.partition("=")[0].strip() for pair in options.overrides or ()),
            *(f"training.{name}" for name in options.flags()["training"]),
        ],
        metric=metric,
        pruning=not no_pruning,
        output=output,
        command=_command_line(context),
    )
    opened = open_sweep(request, registry, look_up)
    for remark in remarks(opened):
        warn(remark)
    # Last, because Optuna takes seconds: whatever is misspelt has been answered by now.
    from matsciml_tool_sweep.searching import Limits

    _search(opened, Limits(trials=trials, minutes=minutes), launcher, jobs, started)


def _search(
    sweep: Sweep, limits: Limits, launcher_name: str, jobs: int | None, started: float
) -> None:
    """Run a sweep, and print what it found.

    Raises:
        typer.Exit: The user pressed Ctrl-C, or no trial has finished.
    """
    from matsciml_tool_sweep.results import write_best, write_results
    from matsciml_tool_sweep.searching import Search
    from matsciml_tool_sweep.study import Study
    from matsciml_tool_sweep.sweep import working_on
    from matsciml_util_launchers.choice import open_launcher

    # Before anything is written: a launcher that is not installed is better known at once.
    launcher = open_launcher(launcher_name, jobs=jobs, folder=str(sweep.path))
    with working_on(sweep.path):
        study = Study(
            sweep.journal,
            sweep.axes,
            larger_is_better=sweep.metric.larger_is_better,
            seed=sweep.seed,
            patience=sweep.patience,
        )
        written = time.monotonic()

        def after_each() -> None:
            nonlocal written
            if time.monotonic() - written > _PAGE_SECONDS:
                write_results(sweep, study)
                written = time.monotonic()
            else:
                write_best(sweep, study.trials())

        search = Search(
            sweep=sweep,
            study=study,
            launcher=launcher,
            limits=limits,
            tell=lambda text: write_line(text, flush=True),
            after_each=after_each,
            started=started,
        )
        write_line(f"Sweep: {_near(sweep.path)}", flush=True)
        try:
            search.run()
        except KeyboardInterrupt as stop:
            write_results(sweep, study)
            warn(_kept(sweep, study, limits))
            raise typer.Exit(INTERRUPTED) from stop
        page = write_results(sweep, study)
    _show(sweep, study, limits, page)


def _show(sweep: Sweep, study: Study, limits: Limits, page: Path) -> None:
    """Print the ranked table, and where everything lies.

    Raises:
        typer.Exit: No trial has finished.
    """
    from matsciml_tool_sweep.results import best_run, header, texts
    from matsciml_tool_sweep.space import combinations
    from matsciml_tool_sweep.sweep import BEST
    from matsciml_tool_sweep.trials import best_of, ranked
    from matsciml_util_pages.metrics import metric_info

    trials = study.trials()
    lines = [
        Row(
            texts(trial, rank if trial.state == "finished" else None, sweep),
            _STYLES.get(trial.state, ""),
        )
        for rank, trial in enumerate(ranked(trials, sweep.metric), start=1)
    ]
    if lines:
        write_table(lines, header=header(sweep))
    possible = min(limits.trials, combinations(sweep.axes))
    left = possible - sum(trial.state != "running" for trial in trials)
    best = best_of(trials, sweep.metric)
    if best is None:
        warn(f"No trial has finished; go on with: {sweep.command}")
        raise typer.Exit(FAULT)
    if limits.minutes is not None and left > 0:
        write_line(f"The time was enough for all but {left:.0f} trials; the same command goes on.")
    run = best_run(sweep, trials)
    for key, target in ({} if run is None else run.targets).items():
        name = next(iter(target.metrics), None)
        if name is not None:
            info = metric_info(name)
            value = info.quantity(target.metrics[name], target.unit)
            write_line(f"Best, trial {best.number}: {key}, test {info.short} {value}")
    write_line(f"Page: {_near(page)}")
    best_config = shlex.quote(str(_near(sweep.path / BEST)))
    write_line(f"Repeat the best: matsciml run --config {best_config}")


def _kept(sweep: Sweep, study: Study, limits: Limits) -> str:
    """Say what an interrupted sweep has left behind, and how to go on."""
    from matsciml_tool_sweep.sweep import BEST
    from matsciml_tool_sweep.trials import best_of

    trials = study.trials()
    done = sum(trial.state != "running" for trial in trials)
    best = best_of(trials, sweep.metric)
    kept = f"Interrupted; {done} of {limits.trials} trials are done and kept"
    if best is not None:
        value = sweep.metric.text(best.value)
        kept += f", the best so far ({value}) is in {_near(sweep.path / BEST)}"
    return f"{kept}; what ran goes on from its checkpoint. Go on with: {sweep.command}"


def _near(path: Path) -> Path:
    """Return a path as seen from the working folder, where it is within it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _command_line(context: typer.Context) -> str:
    """Return the command with its options, ready to be pasted into a shell."""
    words = ["matsciml", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if value in (None, False, [], ()) or str(value) == str(parameter.default):
            continue
        option = max(parameter.opts, key=len)
        several = value if isinstance(value, list | tuple) else [value]
        for one in several:
            words += [option] if one is True else [option, str(one)]
    return shlex.join(words)
