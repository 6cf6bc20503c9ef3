"""What the user asked a command of this tool for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TableRequest:
    """A table, and how it is to be filled."""

    table: str
    """Name of a table, or path of its YAML file."""
    budget: str = "mini"
    launcher: str = "local"
    seeds: int | None = None
    """Runs of each experiment; None: as the budget says."""
    jobs: int | None = None
    """Most runs at a time; None: as many as fit."""
    only: Sequence[str] = ()
    """Names, patterns or parts of names of experiments; empty: all."""
    rows: Sequence[Path] = ()
    """YAML files with further rows."""
    output: Path = Path("runs")
    """Parent of the table's folder."""

    @property
    def command(self) -> str:
        """The command that fills the whole table, ready to be pasted into a shell."""
        # Neither --only nor --jobs: they choose what is run now, not what the table holds.
        words = ["matsciml", "benchmark", self.table, "--budget", self.budget]
        words += ["--seeds", str(self.seeds)] if self.seeds else []
        words += [word for path in self.rows for word in ("--rows", str(path))]
        words += ["--output", str(self.output)] if str(self.output) != "runs" else []
        return shlex.join(words)

    @property
    def resumption(self) -> str:
        """The command that goes on with what was asked for now, and with no more than that."""
        words = [word for name in self.only for word in ("--only", name)]
        words += ["--jobs", str(self.jobs)] if self.jobs else []
        words += ["--launcher", self.launcher] if self.launcher != "local" else []
        return " ".join([self.command, shlex.join(words)]).strip()
