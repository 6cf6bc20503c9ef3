"""The file that describes a table: its rows, how each is trained, and what was published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, PositiveInt

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.config import Config, validate
from matsciml_core.training.config_data import read_config_file
from matsciml_tool_benchmark.rows import BenchmarkRow, Metrics, Settings

Table = TypeVar("Table", bound="BenchmarkTable")


class Generation(Config):
    """How crystals are sampled from a trained model and evaluated beside its test set."""

    number: PositiveInt = 100
    """Crystals to sample."""
    sampler: Literal["ancestral", "langevin"] = "langevin"
    """How, see ``matsciml generate``."""
    steps: PositiveInt | None = None
    """Steps at each noise level; empty: as many as the sampler needs."""
    cutoffs: str = "mp20"
    """Cut-offs of coverage, see ``matsciml evaluate-crystals``."""
    coverage: bool = True
    """Whether to compute coverage, which takes longest."""
    baselines: bool = True
    """Whether real crystals and averages of the training set are evaluated beside."""
    energy_model: str | None = None
    """A pretrained model whose energies decide on stability, if it is installed; empty: none."""


class Budget(Config):
    """How much a table may cost."""

    about: str = ""
    """One sentence for the head of the table."""
    epochs: PositiveInt | None = None
    """Passes over the training set; empty: as the run's defaults say."""
    crystals: PositiveInt | None = None
    """Most crystals to train on; empty: all."""
    seeds: PositiveInt = 1
    """Runs of each experiment, with the seeds 0, 1, …"""
    datasets: Mapping[str, Settings] = Field(default_factory=dict)
    """Settings of datasets, by name."""
    settings: Settings = Field(default_factory=dict)
    """Further settings of every run, as in its configuration file."""
    columns: Mapping[str, Settings] = Field(default_factory=dict)
    """Column → settings of its runs, where they differ from those of the others."""
    generation: Generation = Generation()
    """How crystals of rows that generate are sampled and evaluated."""


class BenchmarkTable(Config):
    """A table: rows, columns, budgets and footnotes."""

    name: str
    """What users type, for example ``table2``."""
    title: str
    """Heading."""
    about: str = ""
    """What the table asks, in a sentence or two."""
    source: str = ""
    """The publication whose numbers stand beside."""
    kind: Literal["runs", "data"] = "runs"
    """``data``: nothing is trained, the table is about the datasets themselves."""
    encoders: Mapping[str, Settings] = Field(default_factory=dict)
    """Column → settings of its encoder, with its ``name``."""
    metrics: Metrics = Field(default_factory=dict)
    """Label → metric to compare by; others are compared by MSE, forces by MAE, classes by
    accuracy."""
    budgets: Mapping[str, Budget] = Field(default_factory=dict)
    """Budgets by name."""
    rows: tuple[BenchmarkRow, ...] = ()
    """The rows, in their order."""
    notes: Mapping[str, str] = Field(default_factory=dict)
    """Footnotes by name."""

    def budget(self, name: str) -> Budget:
        """Return a budget.

        Raises:
            ConfigError: There is none of that name.
        """
        if name not in self.budgets:
            raise ConfigError(
                f"The table '{self.name}' has no budget '{name}'.{did_you_mean(name, self.budgets)}"
                f" Budgets: {', '.join(self.budgets) or 'none'}."
            )
        return self.budgets[name]

    def with_rows(
        self,
        rows: Iterable[BenchmarkRow],
        *,
        encoders: Mapping[str, Settings] | None = None,
        notes: Mapping[str, str] | None = None,
        metrics: Metrics | None = None,
    ) -> Self:
        """Return the table with further rows behind its own.

        Raises:
            ConfigError: Two rows have one name, or a footnote does not exist.
        """
        # model_copy() validates nothing; the rows were validated when they were made.
        return checked(
            self.model_copy(
                update={
                    "rows": (*self.rows, *rows),
                    "encoders": {**self.encoders, **(encoders or {})},
                    "notes": {**self.notes, **(notes or {})},
                    "metrics": {**self.metrics, **(metrics or {})},
                }
            )
        )


DEFAULT_BUDGETS: Mapping[str, Budget] = {
    "mini": Budget(about="8 epochs on at most 1,500 crystals", epochs=8, crystals=1500),
    "devset": Budget(
        about="2 epochs on at most 200 crystals; shows that every experiment runs",
        epochs=2,
        crystals=200,
    ),
    "full": Budget(about="as many epochs as a run takes by default, on all crystals", seeds=3),
}
"""Budgets of tables that bring none."""


class RowsFile(Config):
    """Rows of one's own, for ``matsciml benchmark TABLE --rows FILE``."""

    rows: tuple[BenchmarkRow, ...] = Field(min_length=1)
    """The rows."""
    encoders: Mapping[str, Settings] = Field(default_factory=dict)
    """Column → settings of its encoder, with its ``name``."""
    metrics: Metrics = Field(default_factory=dict)
    """Label → metric to compare by."""
    notes: Mapping[str, str] = Field(default_factory=dict)
    """Footnotes by name."""


def read_table(path: Path) -> BenchmarkTable:
    """Read the file of a table.

    Raises:
        ConfigError: It cannot be read, or says something that a table does not know.
    """
    return checked(validate(BenchmarkTable, read_config_file(path), where=path.stem))


def add_rows(table: BenchmarkTable, path: Path) -> BenchmarkTable:
    """Return the table with the rows of a user's file.

    Raises:
        ConfigError: The file cannot be read, or says something that rows do not know.
    """
    file = validate(RowsFile, read_config_file(path), where=path.stem)
    rows = [row.model_copy(update={"origin": path.name}) for row in file.rows]
    return table.with_rows(rows, encoders=file.encoders, notes=file.notes, metrics=file.metrics)


def checked(table: Table) -> Table:
    """Return the table, where what its rows name is there.

    Raises:
        ConfigError: Two rows of one budget have one name, or a footnote or budget is missing.
    """
    taken: set[tuple[str, str]] = set()
    for row in table.rows:
        # A row may differ between budgets: two of one name are told apart by them.
        for budget in row.budgets or tuple(table.budgets) or ("",):
            if (row.name, budget) in taken:
                raise ConfigError(
                    f"The table '{table.name}' has two rows called '{row.name}'; rename one."
                )
            taken.add((row.name, budget))
        for name in row.budgets:
            table.budget(name)
        for note in (*row.notes, *(note for entry in row.published for note in entry.notes)):
            if note not in table.notes:
                raise ConfigError(
                    f"The row '{row.name}' of '{table.name}' names the footnote '{note}', which "
                    f"does not exist.{did_you_mean(note, table.notes)}"
                )
    return table
