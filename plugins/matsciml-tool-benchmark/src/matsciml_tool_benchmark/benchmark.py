"""A table with a budget: what it consists of, what is done, and how it is filled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.registry.manager import Registry
from matsciml_tool_benchmark.availability import Unavailable, unavailability
from matsciml_tool_benchmark.entries import Entry, table_entries
from matsciml_tool_benchmark.experiments import Experiment, plan
from matsciml_tool_benchmark.launchers import Launcher
from matsciml_tool_benchmark.running import Progress, run_experiments, unfinished
from matsciml_tool_benchmark.table import BenchmarkTable
from matsciml_tool_benchmark.table_folder import TableFolder
from matsciml_tool_benchmark.table_page import TableRun, write_table


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A table that is filled with one budget, in one folder."""

    table: BenchmarkTable
    budget: str
    experiments: Sequence[Experiment]
    folder: TableFolder
    unavailable: Mapping[str, Unavailable]
    """Experiments that cannot run here, by name."""
    command: str
    """The command that fills the table, for people."""

    def lines(self) -> list[Entry]:
        """Return the lines of the table as it stands."""
        return table_entries(self.table, self.experiments, self.folder, self.unavailable)

    def write(self) -> Path:
        """Write the table as it stands; return the path of its page."""
        run = TableRun(
            table=self.table, budget=self.budget, folder=self.folder.path, command=self.command
        )
        return write_table(run, self.lines())

    def to_do(self, experiments: Sequence[Experiment] | None = None) -> list[Experiment]:
        """Return those of the experiments that can run here and are not finished."""
        return unfinished(
            self.experiments if experiments is None else experiments, self.folder, self.unavailable
        )

    def fill(
        self,
        experiments: Sequence[Experiment],
        launcher: Launcher,
        after_each: Callable[[Progress], Any] = lambda progress: None,
    ) -> Path:
        """Run experiments, and write the table after each.

        Args:
            experiments: What to run, see :meth:`to_do`.
            launcher: Where to run it.
            after_each: Called when an experiment has ended and the table was written.

        Returns:
            Path of the table's page.

        Raises:
            ConfigError: Another process fills the table.
            KeyboardInterrupt: The user pressed Ctrl-C; what is finished stays.
        """

        def note(progress: Progress) -> None:
            self.write()
            after_each(progress)

        try:
            if experiments:
                run_experiments(experiments, self.folder, launcher, note)
        finally:
            page = self.write()
        return page


def prepare(
    table: BenchmarkTable,
    budget: str,
    registry: Registry,
    *,
    output: Path,
    program: Sequence[str],
    command: str,
    seeds: int | None = None,
    origins: Mapping[str, str] | None = None,
) -> Benchmark:
    """Look at what a table consists of, and at what can run here; nothing is run or written.

    Args:
        table: The table.
        budget: Name of its budget.
        registry: Where components are looked up.
        output: Parent of the table's folder.
        program: What runs ``matsciml``, for example ``("matsciml",)``.
        command: The command that fills the table, for people.
        seeds: Runs of each experiment; None: as the budget says.
        origins: Dataset → distribution that offers it, for those that are not installed.

    Returns:
        The table, ready to be filled.

    Raises:
        ConfigError: There is no such budget.
    """
    experiments = plan(table, budget, seeds=seeds)
    found: dict[str, Unavailable] = {}
    for experiment in experiments:
        if experiment.name not in found:
            problem = unavailability(experiment, registry, origins or {})
            if problem is not None:
                found[experiment.name] = problem
    return Benchmark(
        table=table,
        budget=budget,
        experiments=experiments,
        folder=TableFolder((output / f"{table.name}-{budget}").resolve(), tuple(program)),
        unavailable=found,
        command=command,
    )
