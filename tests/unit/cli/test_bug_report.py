"""``matsciml doctor --report``: one block of text, without torch and without personal paths."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_cli import _bug_report
from matsciml_cli._bug_report import import_times, without_personal_paths
from matsciml_core import __version__

GOOD = """
    from matsciml_core import DatasetSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="mine", summary="s", class_path="a:B", requires=("no-such-dist",))
"""
TIMES = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   _io
import time:      2500 |      90000 | torch
noise of a plugin
import time:     40000 |      40000 |     torch._C
"""


@pytest.fixture
def report(cli: Callable[..., Any], plugin_folder: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the report of a machine with one good and one failed plugin."""
    monkeypatch.setattr(_bug_report, "slow_imports", lambda: iter(["none"]))
    plugin_folder.add("matsciml-data-mine", GOOD, version="1.2")
    plugin_folder.add("matsciml-data-bad", "1 / 0", version="0.3")
    outcome = cli("doctor", "--report")
    assert (outcome.code, outcome.err) == (0, "")
    text: str = outcome.out
    return text


def section(report: str, title: str) -> list[str]:
    body = report.partition(f"{title}:\n")[2]
    lines = body.splitlines()
    return [line.strip() for line in lines[: next_heading(lines)]]


def next_heading(lines: list[str]) -> int:
    return next((i for i, line in enumerate(lines) if not line.startswith("  ")), len(lines))


def test_versions(report: str) -> None:
    lines = section(report, "versions")
    assert any(line.startswith(f"matsciml {__version__}") for line in lines)
    assert any(line.startswith("python 3.") for line in lines)
    assert any(re.match(r"torch \d", line) for line in lines)


def test_plugins_with_their_states(report: str) -> None:
    bad, mine = section(report, "plugins")[:2]
    assert re.fullmatch(r"matsciml-data-bad 0\.3: failed, \d+ ms", bad)
    assert re.fullmatch(r"matsciml-data-mine 1\.2: ok, \d+ ms", mine)


def test_problems_say_what_is_wrong(report: str) -> None:
    text = "\n".join(section(report, "plugins")[2:])
    assert "ZeroDivisionError" in text
    assert "dataset mine: matsciml-data-mine 1.2: needs no-such-dist" in text


def test_hardware(report: str) -> None:
    assert re.match(r"\d+ of \d+ cores can be used", section(report, "hardware")[0])


def test_the_build_of_torch_is_read_without_importing_it(report: str) -> None:
    lines = section(report, "torch")
    assert re.match(r"version \d.*cuda ", lines[0])
    assert "--import-torch" in lines[1]


def test_torch_is_imported_where_the_user_asks(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_bug_report, "slow_imports", lambda: iter(["none"]))
    lines = section(cli("doctor", "--report", "--import-torch").out, "torch")
    assert any(line.startswith("CUDA devices: ") for line in lines)
    assert "PyTorch built with:" in lines


def test_nothing_personal(
    cli: Callable[..., Any],
    plugin_folder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_bug_report, "slow_imports", lambda: iter(["none"]))
    monkeypatch.setenv("HOME", str(plugin_folder.path.parent))
    plugin_folder.add("matsciml-data-bad", "1 / 0")
    out = cli("doctor", "--report").out
    assert str(plugin_folder.path.parent) not in out
    assert "in ~/plugins/matsciml_data_bad" in out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/h/ada/x.py", "~/x.py"),
        ("at /h/ada, /h/ada.", "at ~, ~."),
        ("/h/ada.old", "/h/ada.old"),
        ("/h/adam/x", "/h/adam/x"),
        ("/mnt/h/ada/x", "/mnt/h/ada/x"),
        (f"{sys.prefix}/lib", "<env>/lib"),
    ],
)
def test_paths(text: str, expected: str) -> None:
    assert without_personal_paths(text, home=Path("/h/ada")) == expected


def test_a_home_that_is_the_root_is_left() -> None:
    assert without_personal_paths("/usr/lib /x", home=Path("/")) == "/usr/lib /x"


def test_import_times_are_those_of_each_module_alone() -> None:
    assert import_times(TIMES) == [(1e-4, "_io"), (2.5e-3, "torch"), (0.04, "torch._C")]


def test_slow_imports_are_named(plugin_folder: Any) -> None:
    plugin_folder.write("slow_as_snow.py", "import time\ntime.sleep(0.05)\n")
    plugin_folder.add("matsciml-data-slow", "import slow_as_snow")
    done = subprocess.run(
        [sys.executable, "-m", "matsciml_cli", "doctor", "--report"],
        env={**os.environ, "PYTHONPATH": str(plugin_folder.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = section(done.stdout, "slow imports")
    assert re.match(r"\d+ ms for \d+ modules", lines[0])
    assert any(re.fullmatch(r"\d+ ms slow_as_snow", line) for line in lines)


def test_features_of_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("model name : Fast 9\nflags : fpu avx2 avx512_bf16 amx_tile sse4_2\n")
    monkeypatch.setattr(_bug_report, "CPU_INFO", info)
    monkeypatch.setattr(_bug_report, "NVIDIA", tmp_path / "none")
    lines = list(_bug_report.hardware())
    assert lines[-2:] == ["Fast 9", "features: amx_tile avx2 avx512_bf16"]
    monkeypatch.setattr(_bug_report, "CPU_INFO", tmp_path / "none")
    assert list(_bug_report.hardware())[-1].endswith("its features are not known here")


def test_report_is_text(cli: Callable[..., Any]) -> None:
    outcome = cli("doctor", "--report", "--json")
    assert outcome.code == 2
    assert "leave '--json' away" in outcome.error
