"""A run that is killed twenty times at random moments ends as if nothing had happened."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "killed_run.py"
KILLS = 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(SCRIPT), str(folder), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder / "undisturbed" / "latest", folder / "killed" / "latest", done.stdout


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as stream:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]


def test_it_was_killed_in_the_middle_of_its_training(runs):
    lives = [int(count) for count in re.findall(r"starts after (\d+) steps", runs[2])]
    assert len(lives) > KILLS // 2
    assert lives == sorted(lives)
    assert len(set(lives)) > 4


def test_weights_are_the_same_to_the_last_bit(runs):
    undisturbed, killed, _ = runs
    file = "model.safetensors"
    assert (killed / file).read_bytes() == (undisturbed / file).read_bytes()


def test_metrics_and_predictions_are_the_same(runs):
    undisturbed, killed, _ = runs
    validation = [name for name in rows(undisturbed)[0] if name.startswith("validation/")]
    assert len(rows(killed)) == len(rows(undisturbed)) == 24
    for mine, theirs in zip(rows(killed), rows(undisturbed), strict=True):
        assert [mine[name] for name in validation] == [theirs[name] for name in validation]
    file = "predictions-test.csv"
    assert (killed / file).read_bytes() == (undisturbed / file).read_bytes()
