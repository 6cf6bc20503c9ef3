"""What an interrupted run says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import matsciml_core
from matsciml_cli import _data
from matsciml_cli._run import explain_interruption
from matsciml_core import RunInterrupted
from matsciml_core.files import write_json
from matsciml_core.training import after_fit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my runs" / "one"
    (folder / "checkpoints").mkdir(parents=True)
    return folder


def test_without_a_checkpoint_it_says_how_to_start_again(folder: Path) -> None:
    first, command = explain_interruption(RunInterrupted(folder)).splitlines()
    assert "before anything was saved" in first
    assert command == f"  matsciml run --config '{folder}/config.yaml'"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "0 finished epochs"),
        ("epoch,seconds\n0,1.0\n", "1 finished epoch;"),
        ("epoch,seconds\n0,1.0\n1,2.0\n", "2 finished epochs;"),
    ],
)
def test_with_a_checkpoint_it_says_what_is_there(folder: Path, lines: str, words: str) -> None:
    (folder / "checkpoints" / "last.ckpt").touch()
    if lines:
        (folder / "metrics.csv").write_text(lines)
    first, command = explain_interruption(RunInterrupted(folder)).splitlines()
    assert words in first
    assert str(folder) in first
    assert command == f"  matsciml run --resume '{folder}'"


def test_of_a_finished_run_it_says_that_the_report_is_missing(folder: Path) -> None:
    write_json(folder / after_fit.SEGMENTS, {})
    after_fit.begin(folder)
    first, command = explain_interruption(RunInterrupted(folder)).splitlines()
    assert f"the run in {folder} is finished" in first
    assert command == f"  matsciml run --resume '{folder}'"


def interrupted(*arguments: Any, **options: Any) -> Any:
    raise KeyboardInterrupt


def test_before_the_training_it_says_that_nothing_was_trained(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matsciml_core, "train", interrupted, raising=False)
    outcome = cli("run", "--resume", "x")
    assert outcome.code == 130
    assert outcome.error == "Stopped. Nothing was trained yet; the same command starts again."


def test_an_import_says_that_it_can_be_gone_on_with(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "a.xyz"
    cell = "4 0 0 0 4 0 0 0 4"
    file.write_text(f'1\nLattice="{cell}" Properties=species:S:1:pos:R:3 energy=1.0\nCu 0 0 0\n')
    monkeypatch.setattr(_data, "add_dataset", interrupted)
    outcome = cli("data", "import", str(file), "--name", "mine", "--label", "energy=eV")
    assert outcome.code == 130
    assert outcome.error == (
        "Stopped. What was read so far is kept; the same command goes on from there."
    )
