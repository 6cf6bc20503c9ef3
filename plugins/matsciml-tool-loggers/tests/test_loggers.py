"""What is logged can be read where each tracker keeps it, and resumed runs go on."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from matsciml_core import build_registry

SETTINGS = "encoder:\n  name: megnet\n  cutoff: 4.0\ntargets: [gap]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith(("WANDB_", "MLFLOW_", "TRACKIO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "runs" / "first"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(SETTINGS)
    return folder


def log(name: str, folder: Path, *parts: dict[int, float]) -> str:
    """Log the parts of a run that was resumed, in a process of its own; return what it printed."""
    script = (
        "import sys, json; from pathlib import Path; from matsciml_core import build_registry\n"
        "name, folder, parts = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])\n"
        "for values in parts:\n"
        "    logger = build_registry().get('logger', name).load()(folder)\n"
        "    for step, value in values.items():\n"
        "        logger.log_metrics({'train/loss': value}, int(step))\n"
        "    logger.finalize('success')\n"
        "    if name == 'wandb':\n"
        "        logger.experiment.finish()\n"
    )
    done = subprocess.run(
        # By a relative path, as the default folder of runs is one.
        [sys.executable, "-c", script, name, str(Path(*folder.parts[-2:])), json.dumps(parts)],
        cwd=folder.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_none_is_on_by_default():
    # The records alone, which are there whichever tracker is installed.
    defaults = {spec.name: spec.default for spec in build_registry().specs("logger")}
    assert {name: defaults[name] for name in ("wandb", "mlflow", "trackio")} == {
        "wandb": False,
        "mlflow": False,
        "trackio": False,
    }


def test_nothing_is_imported_before_it_is_asked_for():
    script = (
        "import sys; from matsciml_core import build_registry\n"
        "build_registry().specs('logger')\n"
        "sys.exit(any(name in sys.modules for name in ('wandb', 'mlflow', 'trackio')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_mlflow_keeps_a_database_beside_the_runs(folder):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    log("mlflow", folder, {0: 3.0, 1: 2.0}, {2: 1.0})
    with sqlite3.connect(folder.parent / "mlflow.db") as connection:
        runs = connection.execute("select run_uuid, name from runs").fetchall()
        metrics = connection.execute("select run_uuid, key, step, value from metrics").fetchall()
        settings = dict(connection.execute("select key, value from params"))
    ((run, name),) = runs
    assert name == "first"
    assert sorted(metrics) == [(run, "train/loss", step, 3.0 - step) for step in range(3)]
    assert settings["encoder.cutoff"] == "4.0"


def test_trackio_keeps_a_database_beside_the_runs(folder):
    pytest.importorskip("trackio")
    log("trackio", folder, {0: 3.0, 1: 2.0}, {2: 1.0})
    (database,) = (folder.parent / "trackio").glob("*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select run_name, step, metrics from metrics order by step")
        found = [(name, step, json.loads(metrics)["train/loss"]) for name, step, metrics in rows]
    assert found == [("first", 0, 3.0), ("first", 1, 2.0), ("first", 2, 1.0)]


def test_wandb_is_offline_where_there_is_no_account(folder):
    pytest.importorskip("wandb")
    printed = log("wandb", folder, {0: 3.0}, {1: 2.0})
    assert "wandb sync" in printed
    written = list((folder.parent / "wandb").glob("offline-run-*/run-*.wandb"))
    assert all(file.stat().st_size > 0 for file in written)
    name = json.loads((folder / "trackers.json").read_text())["wandb"]
    assert {file.name for file in written} == {f"run-{name}.wandb"}


def test_a_password_in_an_address_is_not_shown(folder, monkeypatch):
    pytest.importorskip("mlflow")
    from matsciml_core.errors import ConfigError

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    make_logger = build_registry().get("logger", "mlflow").load()
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI") as caught:
        make_logger(folder)
    assert "secret" not in str(caught.value)
