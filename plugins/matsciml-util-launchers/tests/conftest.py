"""Jobs that cost nothing, and a function that waits for them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from matsciml_util_launchers.launcher import Job


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Job]:
    """A function that makes a job of scripts, each a text with the arguments behind it."""

    def make(*scripts: tuple[str, ...], key: str = "a") -> Job:
        return Job(
            key=key,
            commands=tuple((sys.executable, "-c", *script) for script in scripts),
            log=str(tmp_path / f"{key}.txt"),
            lock=str(tmp_path / f".lock-{key}"),
        )

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], bool], str], None]:
    """A function that waits until something holds."""

    def wait(holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 300
        while not holds():
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    return wait
