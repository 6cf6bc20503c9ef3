"""Tables with experiments that cost nothing, and a fake ``matsciml run``."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_cli.testing import cli
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_benchmark.benchmark import Benchmark
from matsciml_tool_benchmark.experiments import plan
from matsciml_tool_benchmark.running import run_experiments
from matsciml_tool_benchmark.table import BenchmarkTable, checked
from matsciml_tool_benchmark.table_folder import TableFolder
from matsciml_util_launchers.choice import open_launcher

__all__ = ["cli"]

PROGRAM = """
    import json, os, pathlib, sys, time, yaml

    arguments = sys.argv[2:]  # behind the subcommand 'run'
    if arguments[0] == "--resume":
        run = pathlib.Path(arguments[1])
        experiment = run.parent
        (run / "segments.json").unlink(missing_ok=True)  # which says that the report is missing
    else:
        experiment = pathlib.Path(arguments[3])
        run = experiment / f"run-{len(list(experiment.glob('run-*')))}"
        run.mkdir()
        link = experiment / "latest"
        link.unlink(missing_ok=True)
        link.symlink_to(run.name)
    config = yaml.safe_load((experiment / "experiment.yaml").read_text())
    told = config["encoder"].get("told", "")
    (run / "calls.txt").open("a").write(" ".join(arguments[:1]) + "\\n")
    (run / "threads.txt").write_text(os.environ.get("OMP_NUM_THREADS", ""))
    print("Epoch 1")
    if told == "fail":
        sys.exit("Error: The moon is in the wrong place.")
    if told == "crash":
        os.abort()
    if told == "wait" and arguments[0] != "--resume":
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "last.ckpt").write_text("")
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            sys.exit(130)
    seed = config["training"]["seed"]
    summary = json.loads(os.environ["SUMMARY"])
    for key, metrics in summary["metrics"]["test"].items():
        metrics["mse"] = metrics["mse"] + seed
    (run / "model.safetensors").write_text("")
    (run / "report.html").write_text("")
    (run / "run.json").write_text(json.dumps(summary))
"""
SUMMARY = {
    "status": "finished",
    "wall_seconds": 10.0,
    "parameters": {"total": 1234},
    "hardware": {"cpu": "Some CPU", "cores": 2, "gpu": None},
    "datasets": {
        "toy": {
            "labels": {"gap": {"kind": "scalar", "unit": "eV"}},
            "split": {"hash": "abc", "sizes": {"train": 80}},
        }
    },
    "heads": {"toy/gap": {"mean": 1.0, "std": 2.0}},
    "metrics": {
        "test": {"toy/gap": {"mse": 1.0, "mae": 0.5, "skill": 0.25, "unit": "eV", "count": 9}}
    },
    "baselines": {"toy/gap": {"mean": {"mse": 4.0, "mae": 1.5, "unit": "eV", "count": 9}}},
    "citations": ["@article{one, title={One}}"],
}


@pytest.fixture
def plugin_folder(plugin_folder: PluginFolder) -> PluginFolder:
    """The folder of plugins, with this tool in it."""
    plugin_folder.add("matsciml-tool-benchmark", "from matsciml_tool_benchmark.plugin import *")
    return plugin_folder


@pytest.fixture
def summary() -> dict[str, Any]:
    """The ``run.json`` that the fake program writes."""
    return json.loads(json.dumps(SUMMARY))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summary: Any) -> TableFolder:
    """The folder of a table, whose runs are made by the fake program."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    monkeypatch.setenv("SUMMARY", json.dumps(summary))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return TableFolder(tmp_path / "table", (sys.executable, str(program)))


@pytest.fixture
def make_table() -> Callable[..., BenchmarkTable]:
    """A function that makes a table of one row."""

    def make(**changes: Any) -> BenchmarkTable:
        row = {"name": "gap", "title": "Band gap", "datasets": ["toy"], "targets": ["gap"]}
        data = {
            "name": "tableau",
            "title": "A table",
            "source": "A. Author (2020)",
            "encoders": {"plain": {"name": "net"}},
            "budgets": {"mini": {"about": "hardly any", "epochs": 2, "crystals": 5}},
            "rows": [row | changes.pop("row", {}), *changes.pop("more", [])],
        }
        return checked(BenchmarkTable(**(data | changes)))

    return make


@pytest.fixture
def make_benchmark(
    make_table: Callable[..., BenchmarkTable], folder: TableFolder
) -> Callable[..., Benchmark]:
    """A function that makes a table with the budget ``mini``, whose runs are fake."""

    def make(
        *, seeds: int = 1, unavailable: Any = None, command: str = "matsciml x", **changes: Any
    ) -> Benchmark:
        table = make_table(**changes)
        return Benchmark(
            table=table,
            budget="mini",
            experiments=plan(table, "mini", seeds=seeds),
            folder=folder,
            unavailable=unavailable or {},
            command=command,
        )

    return make


@pytest.fixture
def fill() -> Callable[..., None]:
    """A function that runs experiments of a table, or all, on this machine."""

    def run(benchmark: Benchmark, experiments: Any = None) -> None:
        launcher = open_launcher("local", jobs=2)
        chosen = benchmark.experiments if experiments is None else experiments
        run_experiments(chosen, benchmark.folder, launcher, lambda progress: None)

    return run


@pytest.fixture
def filled(make_benchmark: Callable[..., Benchmark], fill: Callable[..., None]) -> Benchmark:
    """A table of two columns, the second of which fails, filled with two seeds."""
    benchmark = make_benchmark(
        seeds=2,
        encoders={"plain": {}, "other": {"told": "fail"}},
        notes={"unit": "Its unit is unknown.", "unused": "Nothing names this."},
        row={
            "published": [
                {"value": 0.3, "notes": ["unit"]},
                {"value": 0.5, "encoder": "plain", "unit": "eV²"},
            ]
        },
    )
    fill(benchmark)
    return benchmark
