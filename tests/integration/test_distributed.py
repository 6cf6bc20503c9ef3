"""Two ranks with uneven parts of each batch train the model that one process trains."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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
