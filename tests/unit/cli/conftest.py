"""Fixtures for the command line: run it within the test, with hand-written plugins only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from matsciml_cli import _completion, app, state
from matsciml_core.registry.manager import build_registry


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one sentence on stderr."""
        assert self.err.startswith("Error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("Error: ").rstrip("\n")


@pytest.fixture
def cli(
    plugin_folder: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Give a function that runs ``matsciml`` with the plugins of ``plugin_folder``."""
    build = partial(build_registry, path=plugin_folder.search)
    monkeypatch.setattr(state, "build_registry", build)
    monkeypatch.setattr(_completion, "build_registry", build)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = app.execute(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
