"""A table with a budget: what it consists of, what is done, and how it is filled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.registry.manager import Registry
from matsciml_tool_benchmark.cells import Cell, plan
from matsciml_tool_benchmark.engine import Progress, run_cells, unfinished
from matsciml_tool_benchmark.folders import TableFolder
from matsciml_tool_benchmark.launchers import Launcher
from matsciml_tool_benchmark.lines import Line, table_lines
from matsciml_tool_benchmark.obstacles import Obstacle, obstacle
from matsciml_tool_benchmark.table import BenchmarkTable
from matsciml_tool_benchmark.table_page import TableRun, write_table


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A table that is filled with one budget, in one folder."""

    table: BenchmarkTable
    budget: str
    cells: Sequence[Cell]
    folder: TableFolder
    obstacles: Mapping[str, Obstacle]
    """Cells that cannot run here, by name."""
    command: str
    """The command that fills the table, for people."""

    def lines(self) -> list[Line]:
        """Return the lines of the table as it stands."""
        return table_lines(self.table, self.cells, self.folder, self.obstacles)

    def write(self) -> Path:
        """Write the table as it stands; return the path of its page."""
        run = TableRun(
            table=self.table, budget=self.budget, folder=self.folder.path, command=self.command
        )
        return write_table(run, self.lines())

    def to_do(self, cells: Sequence[Cell] | None = None) -> list[Cell]:
        """Return those of the cells that can run here and are not finished."""
        return unfinished(self.cells if cells is None else cells, self.folder, self.obstacles)

    def fill(
        self,
        cells: Sequence[Cell],
        launcher: Launcher,
        after_each: Callable[[Progress], Any] = lambda progress: None,
    ) -> Path:
        """Run cells, and write the table after each.

        Args:
            cells: What to run, see :meth:`to_do`.
            launcher: Where to run it.
            after_each: Called when a cell has ended and the table was written.

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
            if cells:
                run_cells(cells, self.folder, launcher, note)
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
        seeds: Runs of each cell; None: as the budget says.
        origins: Dataset → distribution that offers it, for those that are not installed.

    Returns:
        The table, ready to be filled.

    Raises:
        ConfigError: There is no such budget.
    """
    cells = plan(table, budget, seeds=seeds)
    found: dict[str, Obstacle] = {}
    for cell in cells:
        if cell.name not in found:
            problem = obstacle(cell, registry, origins or {})
            if problem is not None:
                found[cell.name] = problem
    return Benchmark(
        table=table,
        budget=budget,
        cells=cells,
        folder=TableFolder((output / f"{table.name}-{budget}").resolve(), tuple(program)),
        obstacles=found,
        command=command,
    )
