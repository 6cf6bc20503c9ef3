"""A fixture for tests of commands, of the core's and of those that plugins bring.

A suite imports it in its ``conftest.py``: ``from matsciml_cli.testing import cli``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from matsciml_cli import _completion, app, state
from matsciml_core.registry.manager import build_registry

if TYPE_CHECKING:
    from matsciml_core.testing.plugin_folder import PluginFolder


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
    plugin_folder: PluginFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """A function that runs ``matsciml`` within the test, with the plugins of ``plugin_folder``.

    Plugins that are installed in the environment are not seen, so that no test depends on them. A
    suite adds the plugin under test by a plugin module that imports its hooks.
    """
    build = partial(build_registry, path=plugin_folder.search)
    monkeypatch.setattr(state, "build_registry", build)
    monkeypatch.setattr(_completion, "build_registry", build)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = app.execute(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
