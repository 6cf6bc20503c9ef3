"""The report at the end of a run: written by this plugin, needed by none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matsciml_cli.app import execute
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_report import report as report_module

RUN = [
    *("run", "--dataset", "example", "--encoder", "example", "--strategy", "example"),
    *("--set", "head.name=example", "--epochs", "2", "--device", "cpu"),
]


@pytest.fixture(autouse=True)
def components(plugin_folder: PluginFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the examples of the core, and of other plugins the report alone."""
    plugin_folder.add_examples()
    monkeypatch.setenv("MATSCIML_PLUGINS", "example,report")


def status(folder: Path) -> str:
    return json.loads((folder / "run.json").read_text("utf-8"))["status"]


def test_a_run_ends_with_its_report(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert execute([*RUN, "--output", str(tmp_path)]) == 0
    page = (tmp_path / "latest").resolve() / "report.html"
    assert f"Report:     {page}\n" in capsys.readouterr().out
    assert "example on example" in page.read_text("utf-8")
    assert (page.parent / "crystals-test.csv").is_file()


def test_a_report_that_fails_costs_the_run_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(report_module, "write_report", fail)
    assert execute([*RUN, "--output", str(tmp_path)]) == 0
    out, error = capsys.readouterr()
    assert status(tmp_path / "latest") == "finished"
    assert not (tmp_path / "latest" / "report.html").exists()
    assert "Report:" not in out
    assert error.count("\n") == 1
    assert "the plugin 'matsciml-tool-report:report' failed (ValueError: no ink)" in error
    assert "the run itself is finished" in error


def test_without_this_plugin_a_run_finishes_and_is_reported_later(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MATSCIML_PLUGINS", "example")
        assert execute([*RUN, "--output", str(tmp_path)]) == 0
    folder = (tmp_path / "latest").resolve()
    assert status(folder) == "finished"
    assert not list(folder.glob("report*"))
    assert "Report:" not in capsys.readouterr().out
    assert execute(["report", str(folder)]) == 0
    assert capsys.readouterr().out == f"Report: {folder / 'report.html'}\n"
    page = (folder / "report.html").read_text("utf-8")
    assert "by element" in page, "the data are opened again"
