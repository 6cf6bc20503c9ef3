"""Sweeps whose runs cost nothing: a fake ``matsciml run`` with a valley at a cutoff of 5 Å."""

from __future__ import annotations

import copy
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from matsciml_cli.testing import cli
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_sweep import sweep as sweep_module
from matsciml_tool_sweep.metric import Metric
from matsciml_tool_sweep.searching import Limits, Search
from matsciml_tool_sweep.space import parse_axis
from matsciml_tool_sweep.study import Study
from matsciml_tool_sweep.sweep import Sweep, working_on
from matsciml_util_launchers.choice import open_launcher

__all__ = ["cli"]

PROGRAM = """
    import csv, json, os, pathlib, sys, time, yaml

    arguments = sys.argv[2:]  # behind the subcommand 'run'
    if arguments[0] == "--resume":
        run = pathlib.Path(arguments[1])
        folder = run.parent
    else:
        folder = pathlib.Path(arguments[3])
        run = folder / f"run-{len(list(folder.glob('run-*')))}"
        (run / "checkpoints").mkdir(parents=True)
        link = folder / "latest"
        link.unlink(missing_ok=True)
        link.symlink_to(run.name)
    (run / "calls.txt").open("a").write(arguments[0] + "\\n")
    config = yaml.safe_load((folder / "trial.yaml").read_text())
    cutoff = float(config["encoder"]["cutoff"])
    if os.environ.get("FAIL_ABOVE") and cutoff > float(os.environ["FAIL_ABOVE"]):
        sys.exit("Error: The moon is in the wrong place.")
    file = run / "metrics.csv"
    rows = list(csv.DictReader(file.open())) if file.exists() else []
    key = "toy/gap"
    try:
        for epoch in range(len(rows), int(config["training"]["epochs"])):
            time.sleep(float(os.environ.get("PAUSE", "0")))
            value = (cutoff - 5.0) ** 2 + 1.0 / (1 + epoch)
            rows.append({"epoch": epoch, "validation/loss": value,
                         f"validation/{key}/mae": 2 * value, f"validation/{key}/r2": -value})
            part = run / "part.csv"
            with part.open("w") as stream:
                writer = csv.DictWriter(stream, rows[0])
                writer.writeheader()
                writer.writerows(rows)
            part.replace(file)
            (run / "checkpoints" / "last.ckpt").write_text("")
    except KeyboardInterrupt:
        sys.exit(130)
    last = {"mae": float(rows[-1][f"validation/{key}/mae"]), "unit": "eV", "count": 9}
    summary = {
        "status": "finished",
        "best_epoch": len(rows),
        "wall_seconds": 7.5,
        "datasets": {"toy": {"labels": {"gap": {"kind": "scalar", "unit": "eV"}}}},
        "metrics": {"validation": {key: last}, "test": {key: {**last, "mae": 77.0}}},
        "baselines": {key: {"mean": {"mae": 99.0, "unit": "eV", "count": 9}}},
        "citations": ["@article{one, title={One}}"],
    }
    (run / "run.json").write_text(json.dumps(summary))
"""
PLUGIN = """
    from dataclasses import replace

    from matsciml_core import TargetInfo, hookimpl
    from matsciml_core.testing import examples

    @hookimpl
    def matsciml_datasets():
        gap = TargetInfo(name="gap", kind="scalar", unit="eV")
        other = TargetInfo(name="other", kind="scalar", unit="eV")
        yield replace(examples.DATASET, name="toy", targets=(gap, other))

    @hookimpl
    def matsciml_encoders():
        yield replace(examples.ENCODER, name="net")

    @hookimpl
    def matsciml_task_heads():
        yield replace(examples.HEAD, name="line")
"""
DATA: dict[str, Any] = {
    "datasets": [{"name": "toy"}],
    "encoder": {"name": "net"},
    "training": {"epochs": 3},
}


@pytest.fixture
def plugin_folder(plugin_folder: PluginFolder) -> PluginFolder:
    """The folder of plugins, with this tool and the kit's examples in it."""
    plugin_folder.add("matsciml-all-toys", PLUGIN)
    plugin_folder.add("matsciml-tool-sweep", "from matsciml_tool_sweep.plugin import *")
    return plugin_folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What runs the fake ``matsciml``."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    words = (sys.executable, str(file))
    monkeypatch.setattr(sweep_module, "program", lambda: words)
    return words


@dataclass
class Made:
    """A sweep for a test, and what its search said."""

    sweep: Sweep
    said: list[str] = field(default_factory=list)

    def study(self) -> Study:
        """Open the study."""
        self.sweep.path.mkdir(parents=True, exist_ok=True)
        return Study(
            self.sweep.journal,
            self.sweep.axes,
            larger_is_better=self.sweep.metric.larger_is_better,
            seed=self.sweep.seed,
            patience=self.sweep.patience,
        )

    def search(
        self, trials: int, *, minutes: float | None = None, jobs: int = 2, launcher: str = "local"
    ) -> Study:
        """Search, and return the study."""
        with working_on(self.sweep.path):
            study = self.study()
            Search(
                sweep=self.sweep,
                study=study,
                launcher=open_launcher(launcher, jobs=jobs, folder=str(self.sweep.path)),
                limits=Limits(trials=trials, minutes=minutes),
                tell=self.said.append,
                after_each=lambda: None,
            ).run()
        return study

    def calls(self, number: int) -> list[str]:
        """Return how the runs of a trial were started."""
        files = sorted((self.sweep.path / "trials" / f"{number:04d}").glob("run-*/calls.txt"))
        return [line for file in files for line in file.read_text().splitlines()]


@pytest.fixture
def make_sweep(tmp_path: Path, program: tuple[str, ...]) -> Callable[..., Made]:
    """A function that plans a sweep of the fake program."""

    def make(*vary: str, metric: str = "mae", **changes: Any) -> Made:
        axes = [parse_axis(text) for text in vary or ("encoder.cutoff=4..8",)]
        made = Sweep(
            data=copy.deepcopy(DATA),
            axes=axes,
            metric=Metric(name=metric, unit="eV"),
            path=tmp_path / "sweep",
            command="matsciml sweep …",
        )
        return Made(replace(made, **changes))

    return make
