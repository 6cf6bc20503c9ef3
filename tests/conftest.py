"""Fixtures for every test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_datasets(data_folder: Path) -> None:
    """Use an empty data folder, so that a developer's own datasets do not show up in tests."""
