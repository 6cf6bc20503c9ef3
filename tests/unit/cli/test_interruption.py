"""What an interrupted run says."""

from __future__ import annotations

from pathlib import Path

import pytest

from matsciml_cli._run import explain_interruption
from matsciml_core import RunInterrupted


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
