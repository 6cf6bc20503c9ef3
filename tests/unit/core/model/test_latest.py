"""``latest`` beside run folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from matsciml_core.model.latest import LATEST, follow_latest, link_latest


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    return folders


def test_is_a_link_to_the_run_that_was_made_last(runs: list[Path], tmp_path: Path) -> None:
    for folder in runs:
        link_latest(folder)
        assert (tmp_path / LATEST).resolve() == folder
    assert {path.name for path in tmp_path.iterdir()} == {"first", "second", LATEST}


def test_is_a_file_where_links_are_not_possible(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for folder in runs:
        link_latest(folder)
        assert (tmp_path / LATEST).is_file()
        assert follow_latest(tmp_path / LATEST) == folder


def test_other_paths_are_themselves(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / LATEST).write_text("\n")
    for path in (runs[0], tmp_path / "absent", tmp_path / LATEST):
        assert follow_latest(path) == path
