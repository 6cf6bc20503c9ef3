"""A run that is killed at random moments, again and again, ends as if nothing had happened."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "killed_run.py"


@pytest.fixture(
    scope="module",
    params=[(5, 8), pytest.param((20, 24), marks=pytest.mark.slow)],
    ids="{0[0]} kills".format,
)
def runs(request, tmp_path_factory):
    kills, epochs = request.param
    folder = tmp_path_factory.mktemp("killed")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(SCRIPT), str(folder), str(kills), str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lives = [int(count) for count in re.findall(r"starts after (\d+) steps", done.stdout)]
    assert len(lives) > kills // 2
    return folder / "undisturbed" / "latest", folder / "killed" / "latest", lives, epochs


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as stream:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]


def test_it_was_killed_in_the_middle_of_its_training(runs):
    _, _, lives, _ = runs
    assert lives == sorted(lives)
    assert len(set(lives)) > 2


def test_weights_are_the_same_to_the_last_bit(runs):
    undisturbed, killed, *_ = runs
    file = "model.safetensors"
    assert (killed / file).read_bytes() == (undisturbed / file).read_bytes()


def test_it_has_its_report(runs):
    assert all((folder / "report.html").is_file() for folder in runs[:2])


def test_metrics_and_predictions_are_the_same(runs):
    undisturbed, killed, _, epochs = runs
    validation = [name for name in rows(undisturbed)[0] if name.startswith("validation/")]
    assert len(rows(killed)) == len(rows(undisturbed)) == epochs
    for mine, theirs in zip(rows(killed), rows(undisturbed), strict=True):
        assert [mine[name] for name in validation] == [theirs[name] for name in validation]
    file = "predictions-test.csv"
    assert (killed / file).read_bytes() == (undisturbed / file).read_bytes()
