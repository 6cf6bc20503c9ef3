"""Two ranks with uneven parts of each batch train the model that one process trains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from matsciml_core.training.run_folder import read_metrics

SCRIPT = Path(__file__).parent / "distributed_fit.py"
RUNS = ["additive", "uncertainty", "pcgrad", "gradnorm", "multi-data"]

pytestmark = pytest.mark.slow


def run(folder, *launcher):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(SCRIPT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    run(folder, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    return folder


def load(folder, name, rank):
    return torch.load(folder / f"{name}-{rank}.pt", weights_only=True)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", RUNS)
def test_two_ranks_are_one_process(joint, ranks, name, accumulate):
    expected = load(joint, f"{name}-{accumulate}", 0)
    for rank in (0, 1):
        found = load(ranks, f"{name}-{accumulate}", rank)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-12, atol=1e-12, msg=key)


def test_the_runs_are_not_all_the_same(joint):
    runs = [load(joint, f"{name}-1", 0)["encoder.first.weight"] for name in RUNS]
    for number, one in enumerate(runs):
        assert not any(torch.allclose(one, other, atol=1e-6) for other in runs[:number])


@pytest.mark.parametrize("name", RUNS)
def test_the_ranks_agree_to_the_last_bit(ranks, name):
    first, second = (load(ranks, f"{name}-1", rank) for rank in (0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)


COMMAND = ["run", "--dataset", "emt", "--encoder", "egnn", "--target", "energy"]
SETTINGS = {
    "encoder.width": 8,
    "encoder.num_layers": 1,
    "dataset.trajectories": 10,
    "dataset.frames": 5,
    "dataset.repeats": 1,
    "training.precision": "float64",
}


def train(output, *more):
    """Train with the command that users type; return what it printed and the run folder."""
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "matsciml_cli", *COMMAND, "--target", "forces", *settings]
    # Three crystals do not divide by two, and the last batch of training has one for two ranks.
    command += ["--epochs", "2", "--batch-size", "3", "--output", str(output), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout, output / "latest"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train(tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return train(tmp_path_factory.mktemp("shared"), "--devices", "2")


def test_a_run_on_two_devices_learns_what_one_does(alone, shared):
    expected, found = (load_file(folder / "model.safetensors") for _, folder in (alone, shared))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)


def test_metrics_of_two_devices_are_of_all_rows(alone, shared):
    expected, found = (read_metrics(folder) for _, folder in (alone, shared))
    assert len(found) == len(expected) == 2
    names = [name for name in expected[0] if name.startswith(("train/", "validation/"))]
    assert "validation/emt/forces/mae" in names
    for row, wanted in zip(found, expected, strict=True):
        for name in names:
            assert float(row[name]) == pytest.approx(float(wanted[name]), rel=1e-6), name


def test_only_the_first_process_prints_and_reports(shared):
    printed, folder = shared
    assert printed.count("epoch 2/2") == 1
    assert printed.count("Report:") == 1
    assert (folder / "report.html").is_file()
    assert len(list(folder.parent.iterdir())) == 2  # the run and the link to it
