"""What holds for tests of the whole repository, and for those of a plugin that is tested alone."""

from __future__ import annotations

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
