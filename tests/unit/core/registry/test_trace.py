"""Hook calls are printed where ``MATSCIML_TRACE`` asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from matsciml_core.registry.manager import build_registry

DATASET = """
    from matsciml_core import DatasetSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="x", summary="A dataset.", class_path="no.such:Thing")
"""


def test_prints_calls_and_results(
    plugin_folder: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plugin_folder.add("p-mine", DATASET)
    monkeypatch.setenv("MATSCIML_TRACE", "1")
    registry = build_registry(path=plugin_folder.search)
    registry.hook.matsciml_before_fit(run="R")
    error = capsys.readouterr().err
    assert "matsciml: matsciml_datasets() -> mine" in error
    assert "matsciml: matsciml_datasets returned" in error
    assert "matsciml_before_fit" not in error  # nobody implements it


def test_prints_what_a_hook_raises(
    plugin_folder: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plugin_folder.add(
        "p-mine",
        "from matsciml_core import hookimpl\n"
        "@hookimpl\ndef matsciml_before_fit(run):\n    raise ValueError(run)\n",
    )
    monkeypatch.setenv("MATSCIML_TRACE", "yes")
    registry = build_registry(path=plugin_folder.search)
    with pytest.raises(ValueError, match="R"):
        registry.hook.matsciml_before_fit(run="R")
    assert "matsciml: matsciml_before_fit raised ValueError('R')" in capsys.readouterr().err


def test_is_silent_otherwise(plugin_folder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plugin_folder.add("p-mine", DATASET)
    build_registry(path=plugin_folder.search)
    assert capsys.readouterr().err == ""
