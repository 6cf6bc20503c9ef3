"""Jobs through Ray and through submitit, each with a real cluster, or one of this machine."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import pytest

from matsciml_core.errors import ConfigError, MissingPackageError
from matsciml_tool_benchmark.experiments import plan
from matsciml_tool_benchmark.launchers import Job, open_launcher
from matsciml_tool_benchmark.launchers._slurm import EXECUTOR, parameters_of
from matsciml_tool_benchmark.running import run_experiments

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'matsciml-tool-benchmark[ray]'",
)
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None,
    reason="submitit is not installed: pip install 'matsciml-tool-benchmark[slurm]'",
)
# What other projects leave open or call by its old name is not ours to fix.
foreign = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


def fill(make_table, folder, name, **options):
    """Run three experiments, the second of which fails, and return their states."""
    table = make_table(encoders={"a": {}, "b": {"told": "fail"}, "c": {}})
    experiments = plan(table, "mini")
    statuses = {}
    run_experiments(
        experiments,
        folder,
        open_launcher(name, folder=str(folder.path), **options),
        lambda progress: statuses.update({progress.experiment.column: progress.status}),
    )
    assert {item.column: folder.status(item) for item in experiments} == statuses
    return statuses


@pytest.mark.slow
@needs_ray
@foreign
def test_experiments_run_on_a_ray_cluster(make_table, folder, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    statuses = fill(make_table, folder, "ray", jobs=2)
    assert {column: status.state for column, status in statuses.items()} == {
        "a": "finished", "b": "failed", "c": "finished",
    }  # fmt: skip
    assert statuses["b"].sentence == "The moon is in the wrong place."


@pytest.mark.slow
@needs_ray
@foreign
def test_leaving_ray_stops_what_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    marks = [tmp_path / "started", tmp_path / "stopped"]
    script = (
        "import pathlib, sys, time\n"
        "started, stopped = map(pathlib.Path, sys.argv[1:])\n"
        "started.touch()\n"
        "try: time.sleep(120)\n"
        "except KeyboardInterrupt: stopped.touch()\n"
    )
    job = Job(
        key="a",
        commands=((sys.executable, "-c", script, *map(str, marks)),),
        log=str(tmp_path / "log.txt"),
        lock=str(tmp_path / ".lock"),
    )

    def interrupted_once_it_runs(handles, **options):
        while not marks[0].exists():
            time.sleep(0.05)
        raise KeyboardInterrupt

    launcher = open_launcher("ray", jobs=1)
    outcomes = launcher.__enter__().run([job])
    with monkeypatch.context() as patch:
        patch.setattr(launcher._ray, "wait", interrupted_once_it_runs)
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
    launcher.__exit__(None, None, None)
    assert marks[1].exists()


@pytest.mark.slow
@needs_submitit
@foreign
def test_experiments_run_through_submitit(make_table, folder, monkeypatch):
    monkeypatch.setenv(EXECUTOR, "local")
    statuses = fill(make_table, folder, "slurm")
    assert {column: status.state for column, status in statuses.items()} == {
        "a": "finished", "b": "failed", "c": "finished",
    }  # fmt: skip
    assert (folder.path / "slurm").is_dir()


@needs_submitit
@foreign
def test_results_are_not_read_from_a_folder_that_was_there_before(tmp_path, monkeypatch):
    """A pickle in it, named like a job's result, would be loaded."""
    monkeypatch.setenv(EXECUTOR, "local")
    planted = tmp_path / "slurm" / "1_0_result.pkl"
    planted.parent.mkdir()
    planted.write_bytes(b"not ours")
    launchers = [open_launcher("slurm", folder=str(tmp_path)) for _ in range(2)]
    first, second = (Path(launcher.executor.folder) for launcher in launchers)
    assert first.parent == second.parent == planted.parent
    assert first != second
    assert not [*first.iterdir(), *second.iterdir()]


@needs_submitit
@foreign
def test_without_slurm_the_launcher_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.delenv(EXECUTOR, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"[Ss]lurm|srun|sbatch"):
        open_launcher("slurm", folder=str(tmp_path))


def test_settings_of_slurm_are_pairs():
    assert parameters_of("partition=gpu, gpus_per_node=1,timeout_min=60,") == {
        "timeout_min": 60, "cpus_per_task": 4, "slurm_partition": "gpu", "gpus_per_node": 1,
    }  # fmt: skip


@needs_submitit
@foreign
def test_a_setting_of_slurm_without_a_value_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_SLURM", "partition")
    with pytest.raises(ConfigError, match="'partition' in MATSCIML_SLURM is not NAME=VALUE"):
        open_launcher("slurm", folder=str(tmp_path))


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_launcher_without_its_package_says_how_to_get_it(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    fix = rf"pip install 'matsciml-tool-benchmark\[{name}\]'"
    with pytest.raises(MissingPackageError, match=fix):
        open_launcher(name, folder=str(Path.cwd()))
