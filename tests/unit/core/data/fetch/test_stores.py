"""A fetched dataset opens what was named, else what was fetched last."""

from __future__ import annotations

from pathlib import Path

import pytest

from matsciml_core.data.fetch import note_store, present_stores
from matsciml_core.data.fetch.stores import choose_store
from matsciml_core.errors import DataError


def test_the_store_that_was_named_or_fetched_last(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"matsciml data fetch mine \(an hour\)\."):
        choose_store("mine", None, advice="an hour")
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.json").touch()
        note_store("mine", name, tmp_path / name)
    assert choose_store("mine", None, advice="") == tmp_path / "new"
    assert choose_store("mine", "~/other", advice="") == Path.home() / "other"
    (tmp_path / "new" / "index.json").unlink()  # somebody removed the store
    assert list(present_stores("mine")) == ["old"]
    assert choose_store("mine", None, advice="") == tmp_path / "old"
