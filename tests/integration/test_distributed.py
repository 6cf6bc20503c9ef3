"""Two ranks with uneven parts of each batch train the model that one process trains."""

import os
import shutil
import socket
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


def command(output, *more):
    """Return the command that users type, without Python."""
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    words = ["-m", "matsciml_cli", *COMMAND, "--target", "forces", *settings]
    # Three crystals do not divide by two, and the last batch of training has one for two ranks.
    return [*words, "--epochs", "2", "--batch-size", "3", "--output", str(output), *more]


def train(output, *more):
    """Train with that command; return what it printed and the run folder."""
    words = [sys.executable, *command(output, *more)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=500)
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


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def torchrun(*words, code=0):
    """Start one process on each of two nodes, which are both this machine; return their output."""
    options = ("--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1")
    port = str(free_port())
    launcher = (sys.executable, "-m", "torch.distributed.run", *options, "--master-port", port)
    nodes = [[*launcher, "--node-rank", str(node), *words] for node in (0, 1)]
    return outputs(nodes, [{}, {}], code)


def outputs(commands, variables, code):
    """Run commands side by side, and return what each printed."""
    started = [
        subprocess.Popen(
            words,
            env={**os.environ, "OMP_NUM_THREADS": "1", **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words, more in zip(commands, variables, strict=True)
    ]
    printed = [process.communicate(timeout=500)[0] for process in started]
    for process, text in zip(started, printed, strict=True):
        assert (process.returncode == 0) == (code == 0), text[-4000:]
    return printed


def slurm(*words):
    """Start two tasks as srun does on two nodes."""
    job = {
        "SLURM_JOB_ID": str(free_port()),  # from which the port is made
        "SLURM_JOB_NAME": "train",
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NNODES": "2",
        "SLURM_LOCALID": "0",
    }
    tasks = [{**job, "SLURM_PROCID": task, "SLURM_NODEID": task} for task in "01"]
    return outputs([[sys.executable, *words]] * 2, tasks, 0)


LAUNCHERS = {"torchrun": torchrun, "srun": slurm}


@pytest.fixture(scope="module", params=LAUNCHERS)
def two_nodes(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    launch = LAUNCHERS[request.param]
    return launch, launch(*command(folder, "--nodes", "2")), folder / "latest"


def same_weights(folder, reference):
    found, expected = (load_file(one / "model.safetensors") for one in (folder, reference))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)


def same_metrics(folder, reference):
    found, expected = (read_metrics(one) for one in (folder, reference))
    assert len(found) == len(expected) > 1
    for row, wanted in zip(found, expected, strict=True):
        for name in [name for name in wanted if name.startswith(("train/", "validation/"))]:
            assert float(row[name]) == pytest.approx(float(wanted[name]), rel=1e-6), name


def test_a_run_on_two_nodes_learns_what_one_does_and_is_resumed_there(two_nodes, alone, tmp_path):
    launch, printed, folder = two_nodes
    same_weights(folder, alone[1])
    same_metrics(folder, alone[1])
    assert [text.count("Report:") for text in printed] == [1, 0]
    assert len(list(folder.parent.iterdir())) == 2  # the run and the link to it
    for name, run_folder in (("one", alone[1]), ("two", folder)):
        shutil.copytree(run_folder, tmp_path / name)
    resume = ("-m", "matsciml_cli", "run", "--epochs", "3", "--resume")
    subprocess.run([sys.executable, *resume, str(tmp_path / "one")], check=True, timeout=500)
    launch(*resume, str(tmp_path / "two"))
    same_weights(tmp_path / "two", tmp_path / "one")
    same_metrics(tmp_path / "two", tmp_path / "one")


def test_processes_that_are_more_or_fewer_than_asked_for_are_named(tmp_path):
    words = command(tmp_path)
    for text in torchrun(*words, code=1):
        assert (
            "2 processes were started, and 'training.nodes' times 'training.devices' is 1" in text
        )
    done = subprocess.run(
        [sys.executable, *words, "--nodes", "2"], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 2
    assert done.stderr == (
        "Error: 'training.nodes' is 2, and one process was started alone; start one for each "
        "device of each node with srun or torchrun.\n"
    )
    assert not list(tmp_path.iterdir())


def test_what_ends_the_first_process_ends_the_others(tmp_path):
    (tmp_path / "file").write_text("")
    printed = torchrun(*command(tmp_path / "file", "--nodes", "2"), code=1)
    assert "Error: " in printed[0]
