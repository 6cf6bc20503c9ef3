"""A table with a budget: its experiments, where they are kept, and which can run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from matsciml_core.errors import ConfigError
from matsciml_core.registry.manager import Registry
from matsciml_tool_benchmark.availability import Unavailable, unavailability
from matsciml_tool_benchmark.entries import Entry, table_entries
from matsciml_tool_benchmark.experiments import Experiment, plan
from matsciml_tool_benchmark.request import TableRequest
from matsciml_tool_benchmark.table import BenchmarkTable
from matsciml_tool_benchmark.table_folder import TableFolder
from matsciml_util_launchers.runs import program


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A table that is filled with one budget, in one folder."""

    table: BenchmarkTable
    budget: str
    experiments: Sequence[Experiment]
    folder: TableFolder
    unavailable: Mapping[str, Unavailable] = field(default_factory=dict)
    """Why experiments cannot run here, by their names."""
    command: str = ""
    """The command that fills the table, and continues where it stopped."""

    def entries(self, experiments: Sequence[Experiment] | None = None) -> list[Entry]:
        """Return the entries of the table as it stands, of some experiments or of all."""
        chosen = self.experiments if experiments is None else experiments
        return table_entries(self.table, chosen, self.folder, self.unavailable)

    def available(self, experiments: Sequence[Experiment]) -> list[Experiment]:
        """Return those of the experiments that can run here."""
        return [item for item in experiments if item.name not in self.unavailable]

    def unfinished(self, experiments: Sequence[Experiment]) -> list[Experiment]:
        """Return those of the experiments that can run here and have not finished."""
        return [
            item
            for item in self.available(experiments)
            if self.folder.status(item).state != "finished"
        ]


def open_benchmark(table: BenchmarkTable, request: TableRequest, registry: Registry) -> Benchmark:
    """Plan the experiments of a table, and find out which can run here; nothing is written.

    Args:
        table: The table.
        request: Budget, seeds and folder.
        registry: Where components are looked up.

    Returns:
        The table, ready to be filled.

    Raises:
        ConfigError: There is no such budget, or the table is about data.
    """
    if table.kind == "data":
        raise ConfigError(f"The table '{table.name}' is about data and has no experiments.")
    experiments = [
        _with_installed_model(experiment, registry)
        for experiment in plan(table, request.budget, seeds=request.seeds)
    ]
    # Seeds of one experiment need the same components and data: one of them is looked up.
    by_name = {experiment.name: experiment for experiment in experiments}
    reasons = {name: unavailability(item, registry) for name, item in by_name.items()}
    path = request.output / f"{table.name}-{request.budget}"
    return Benchmark(
        table=table,
        budget=request.budget,
        experiments=experiments,
        folder=TableFolder(path.resolve(), program()),
        unavailable={name: reason for name, reason in reasons.items() if reason is not None},
        command=request.command,
    )


def _with_installed_model(experiment: Experiment, registry: Registry) -> Experiment:
    """Return an experiment that asks for no energies of a model that is not installed.

    The other metrics need none, and the table says of those that do that there is no number.
    """
    generation = experiment.generation
    installed = {spec.name for spec in registry.specs("pretrained")}
    if generation is None or generation.energy_model in {None, *installed}:
        return experiment
    return replace(experiment, generation=generation.model_copy(update={"energy_model": None}))
