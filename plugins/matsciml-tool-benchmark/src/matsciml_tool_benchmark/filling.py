"""Fill a table: run its experiments, write its files after each, and say how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matsciml_tool_benchmark.benchmark import Benchmark
from matsciml_tool_benchmark.entries import Entry
from matsciml_tool_benchmark.experiments import Experiment
from matsciml_tool_benchmark.request import TableRequest
from matsciml_tool_benchmark.running import Progress, run_experiments
from matsciml_tool_benchmark.table_folder import LOG
from matsciml_tool_benchmark.table_page import write_table
from matsciml_util_launchers.choice import open_launcher
from matsciml_util_pages.metrics import metric_info
from matsciml_util_pages.numbers import ABSENT, duration, number
from matsciml_util_pages.sheets import spread_value

HEADER = ("experiment", "label", "metric", "here", "published", "baseline", "skill", "state")
"""Titles of what :func:`texts` returns."""


def fill(
    benchmark: Benchmark,
    experiments: Sequence[Experiment],
    request: TableRequest,
    tell: Callable[[str], object],
) -> int:
    """Run those of the experiments that have not finished, and write the table after each.

    Args:
        benchmark: The table.
        experiments: Some of its experiments, or all.
        request: The launcher, and how many runs it makes at a time.
        tell: Receives a sentence when an experiment has ended.

    Returns:
        The number of runs that failed.

    Raises:
        ConfigError: There is no such launcher, or another process fills the table.
        KeyboardInterrupt: The user pressed Ctrl-C; the table is written as it stands.
    """
    failed = 0

    def after_each(progress: Progress) -> None:
        nonlocal failed
        experiment, status = progress.experiment, progress.status
        failed += status.state == "failed"
        write_table(benchmark)  # the page shows how far a long table is
        head = f"[{progress.done}/{progress.total}] {experiment.key}"
        if status.state == "finished":
            tell(f"{head} finished in {duration(progress.seconds)}")
        else:
            log = benchmark.folder.of(experiment) / LOG
            tell(f"{head} {status.state}: {status.sentence} Log: {log}")

    # Before anything runs: a launcher that is not installed is better known at once.
    folder = benchmark.folder
    launcher = open_launcher(request.launcher, jobs=request.jobs, folder=str(folder.path))
    left = benchmark.unfinished(experiments)
    try:
        if left:
            run_experiments(left, folder, launcher, after_each, tell)
    finally:
        write_table(benchmark)
    return failed


def texts(entry: Entry) -> tuple[str, ...]:
    """Return an entry as a line of a table in the terminal."""
    metric = metric_info(entry.metric).short
    published = ABSENT
    if entry.published:
        best = "" if entry.published.encoder else " (best)"
        published = f"{entry.published.value:g}{best}"
    return (
        entry.experiment,
        entry.label,
        f"{metric} ({entry.unit})" if entry.unit else metric,
        spread_value(entry.value).text,
        published,
        number(entry.baseline[1]) if entry.baseline else ABSENT,
        number(entry.over_seeds("skill").mean),
        f"{entry.state}. {entry.remark}" if entry.remark else entry.state,
    )
