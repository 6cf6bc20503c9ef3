"""What a run says, and keeps, when the machine or the numbers give way."""

import csv
import errno

import pytest
import torch

from matsciml_cli.app import execute
from matsciml_core.data.loader import BatchSource
from matsciml_core.training import run_folder
from matsciml_core.training.run_folder import finished_epochs

RUN = [
    *("run", "--dataset", "mp", "--encoder", "megnet", "--epochs", "2", "--batch-size", "8"),
    *("--set", "dataset.max_atoms=3", "--set", "encoder.num_blocks=1", "--set", "encoder.cutoff=3"),
    *("--set", "split.max_train_crystals=80"),
]


def run(folder, *more):
    return execute([*RUN, "--output", str(folder), *more])


def one_sentence(capsys):
    error = capsys.readouterr().err
    assert error.startswith("Error:")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return " ".join(error.split())


def fail(error):
    def function(*_, **__):
        raise error

    return function


class TestSkippedSteps:
    @pytest.fixture
    def folder(self, tmp_path):
        return tmp_path / "latest"

    @pytest.fixture
    def said(self, tmp_path, capsys):
        assert run(tmp_path, "--set", "training.learning_rate=1e30") == 2
        return one_sentence(capsys)

    def test_the_run_stops_and_says_why(self, said, folder):
        assert "not a finite number" in said
        assert "training.learning_rate (it is 1e+30)" in said
        assert "skipped-steps.csv" in said
        assert not (folder / "run.json").exists()

    @pytest.mark.usefixtures("said")
    def test_the_crystals_are_written_down(self, folder):
        with (folder / "skipped-steps.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert rows
        assert {row["dataset"] for row in rows} == {"mp"}
        assert all(name.startswith("mp-") for row in rows for name in row["crystals"].split())
        assert len(rows[0]["crystals"].split()) == 8


def test_a_full_disk(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run_folder, "write_summary", fail(OSError(errno.ENOSPC, "No space left")))
    assert run(tmp_path) == 2
    said = one_sentence(capsys)
    assert "is full; free some space, and go on with: matsciml run --resume" in said
    monkeypatch.undo()
    assert execute(["run", "--resume", str(tmp_path / "latest")]) == 0
    assert finished_epochs(tmp_path / "latest") == 2


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["gpu", "python", "cpu"],
)
def test_no_memory(tmp_path, capsys, monkeypatch, error):
    monkeypatch.setattr(BatchSource, "__getitem__", fail(error))
    assert run(tmp_path) == 2
    said = one_sentence(capsys)
    assert "--batch-size 4 --set training.accumulate_batches=2" in said
    assert "start again with: matsciml run --config" in said


def test_a_worker_that_dies(tmp_path, capsys, monkeypatch):
    died = RuntimeError("DataLoader worker (pid(s) 12) exited unexpectedly")
    monkeypatch.setattr(BatchSource, "__getitem__", fail(died))
    assert run(tmp_path) == 2
    assert "--set training.num_workers=N" in one_sentence(capsys)


def test_another_fault_is_not_hidden(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(BatchSource, "__getitem__", fail(RuntimeError("something else")))
    assert run(tmp_path) == 1
    assert "something else" in one_sentence(capsys)


def test_a_damaged_checkpoint(tmp_path, capsys):
    assert run(tmp_path, "--epochs", "1") == 0
    folder = tmp_path / "latest"
    last = folder / "checkpoints" / "last.ckpt"
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    capsys.readouterr()
    assert execute(["run", "--resume", str(folder), "--epochs", "2"]) == 2
    said = one_sentence(capsys)
    assert "is damaged" in said
    assert "best.ckpt" in said


def test_checkpoints_within_an_epoch(tmp_path, monkeypatch):
    steps = []
    save = torch.save

    def noting(data, *arguments, **options):
        steps.extend([data["global_step"]] if "global_step" in data else [])
        save(data, *arguments, **options)

    monkeypatch.setattr(torch, "save", noting)
    assert run(tmp_path, "--set", "training.checkpoint_minutes=0.00001") == 0
    assert len(set(steps)) > 10
