"""Jobs through Ray and through submitit, each with a real cluster, or one of this machine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from matsciml_core.errors import ConfigError, MissingPackageError
from matsciml_util_launchers.choice import open_launcher
from matsciml_util_launchers.ray_cluster import _require_token
from matsciml_util_launchers.slurm import EXECUTOR, parameters_of

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'matsciml-util-launchers[ray]'",
)
needs_submitit = pytest.mark.skipif(
    importlib.util.find_spec("submitit") is None,
    reason="submitit is not installed: pip install 'matsciml-util-launchers[slurm]'",
)
# What other projects leave open or call by its old name is not ours to fix.
foreign = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture
def ended(make_job, tmp_path):
    """A function that runs three jobs, the second of which fails, and returns their exit codes."""
    scripts = {"a": "print('first')", "b": "import sys; sys.exit('Error: No moon.')", "c": ""}
    jobs = [make_job((script,), key=key) for key, script in scripts.items()]

    def run(name, **options):
        with open_launcher(name, folder=str(tmp_path), **options) as launcher:
            outcomes = {outcome.key: outcome for outcome in launcher.run(jobs)}
        assert not any(outcome.problem for outcome in outcomes.values())
        return {key: outcome.code for key, outcome in outcomes.items()}

    return run


@pytest.mark.slow
@needs_ray
@foreign
def test_jobs_run_on_a_ray_cluster(ended, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert ended("ray", jobs=2) == {"a": 0, "b": 1, "c": 0}
    assert (tmp_path / "a.txt").read_text() == "first\n"
    assert (tmp_path / "b.txt").read_text() == "Error: No moon.\n"


@pytest.mark.slow
@needs_ray
@foreign
@pytest.mark.parametrize(("token", "answered"), [("own", True), ("another", False), (None, False)])
def test_a_ray_cluster_of_this_machine_asks_for_its_token(monkeypatch, token, answered):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with open_launcher("ray", jobs=1) as launcher:
        address = launcher._ray.get_runtime_context().gcs_address
        # That of a user without the token, who reaches the port.
        environment = {**os.environ, "RAY_AUTH_MODE": "token" if token else "disabled"}
        if token != "own":
            environment["RAY_AUTH_TOKEN"] = "0" * 64
        script = (
            "import sys; from ray._raylet import GcsClient; "
            "print(GcsClient(address=sys.argv[1]).internal_kv_keys(b'', None, timeout=120))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, address],
            env=environment, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
    assert (done.returncode == 0) == answered, done.stderr
    if not answered:
        assert "UNAUTHENTICATED" in done.stderr.upper() or "token" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_TOKEN": "mine"},
        {"RAY_AUTH_TOKEN_PATH": "mine"},
    ],
)
def test_what_the_user_has_set_of_rays_token_stays(given):
    environment = dict(given)
    _require_token(environment)
    assert environment.items() >= given.items()
    own = not given
    assert (len(environment.get("RAY_AUTH_TOKEN", "")) == 64) == own
    assert environment["RAY_AUTH_MODE"] == given.get("RAY_AUTH_MODE", "token")


@pytest.mark.slow
@needs_ray
@foreign
def test_leaving_ray_stops_what_runs(tmp_path, make_job, until, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    marks = [tmp_path / "started", tmp_path / "stopped"]
    script = (
        "import pathlib, sys, time\n"
        "started, stopped = map(pathlib.Path, sys.argv[1:])\n"
        "started.touch()\n"
        "try: time.sleep(600)\n"
        "except KeyboardInterrupt: stopped.touch()\n"
    )
    job = make_job((script, *map(str, marks)))

    def interrupted_once_it_runs(handles, **options):
        until(marks[0].exists, "the job did not start")
        raise KeyboardInterrupt

    with open_launcher("ray", jobs=1) as launcher:
        outcomes = launcher.run([job])
        with monkeypatch.context() as patch:
            patch.setattr(launcher._ray, "wait", interrupted_once_it_runs)
            with pytest.raises(KeyboardInterrupt):
                next(outcomes)
        assert not marks[1].exists()
    assert marks[1].exists()


@pytest.mark.slow
@needs_submitit
@foreign
def test_jobs_run_through_submitit(ended, tmp_path, monkeypatch):
    monkeypatch.setenv(EXECUTOR, "local")
    assert ended("slurm") == {"a": 0, "b": 1, "c": 0}
    assert (tmp_path / "slurm").is_dir()


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
    fix = rf"pip install 'matsciml-util-launchers\[{name}\]'"
    with pytest.raises(MissingPackageError, match=fix):
        open_launcher(name, folder=str(Path.cwd()))
