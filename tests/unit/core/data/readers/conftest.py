"""A data folder of its own for every test."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    monkeypatch.setenv("MATSCIML_DATA", str(folder))
    return folder
