"""What holds for tests of the whole repository, and for those of a plugin that is tested alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Iterator[None]:
    """Collect no doctests from tests, so that a test module that cannot be imported is an error.

    Of source modules that need an optional package, pytest skips the doctests. It would do the
    same with a test module, whose half of a module is then taken for one without any test.
    """
    collectors = yield
    if "tests" not in file_path.parts:
        return collectors
    return [one for one in collectors if type(one).__name__ != "DoctestModule"]


@pytest.fixture(autouse=True, scope="session")
def heed_control_c() -> Iterator[None]:
    """Let Ctrl-C reach this process and its children, also where tests run in the background."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)
