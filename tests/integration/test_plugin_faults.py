"""The command line among broken plugins: it keeps working and says what is wrong with which.

Every test runs ``matsciml`` in a process of its own, with hand-written distributions beside the
installed ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

GOOD = """
    from matsciml_core import DatasetSpec, TargetInfo, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(
            name="NAME", summary="Test crystals.", class_path="{package}.dataset:Crystals",
            config="{package}.config:Settings",
            targets=(TargetInfo(name="gap", kind="scalar", unit="eV"),),
        )
"""
SETTINGS = """
    from matsciml_core import Config

    class Settings(Config):
        size: int = 8
        '''Number of crystals.'''
"""
HEAVY = ("torch", "lightning", "pytorch_lightning", "pymatgen", "dgl", "e3nn", "numpy", "pydantic")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one sentence on stderr."""
        assert self.err.startswith("Error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err


def matsciml(folder: Any, *arguments: str, **environment: str) -> Outcome:
    return python(folder, "-m", "matsciml_cli", *arguments, **environment)


def python(folder: Any, *arguments: str, **environment: str) -> Outcome:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MATSCIML_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**kept, "PYTHONPATH": str(folder.path), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def good(name: str) -> str:
    return GOOD.replace("NAME", name)


def plugins(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """Return the plugins of ``list-plugins --json`` by distribution."""
    return {one["distribution"]: one for one in json.loads(outcome.out)["plugins"]}


@pytest.fixture
def fine(plugin_folder: Any) -> Any:
    """Give a folder with one plugin that works, whatever is put beside it."""
    plugin_folder.add("matsciml-data-zz-fine", good("zz-fine"), modules={"config": SETTINGS})
    return plugin_folder


FAULTS = {
    "raises at import": (
        "raise RuntimeError('no luck')",
        (),
        ("RuntimeError", "no luck", "plugin.py, line 1"),
    ),
    "missing dependency": (
        good("zz-bad"),
        ("no-such-distribution>=2",),
        ("needs no-such-distribution>=2, which is not installed",),
    ),
    "undeclared dependency": (
        "import no_such_module",
        (),
        ("ModuleNotFoundError", "no_such_module"),
    ),
    "newer core": (good("zz-bad"), ("matsciml>=99",), ("needs matsciml>=99, and ",)),
    "older core": (good("zz-bad"), ("matsciml<0.0.1",), ("needs matsciml<0.0.1, and ",)),
    "misspelt hook": (
        good("zz-bad").replace("matsciml_datasets", "matsciml_dataset"),
        (),
        ("'matsciml_dataset', which does not exist. Did you mean 'matsciml_datasets'?",),
    ),
    "unmarked hook": (
        good("zz-bad").replace("@hookimpl", ""),
        (),
        ("'matsciml_datasets' that is not marked with @hookimpl",),
    ),
    "wrong return type": (
        good("zz-bad").replace("yield DatasetSpec", "yield dict"),
        (),
        ("returns dict from matsciml_datasets",),
    ),
    "wrong signature": (
        good("zz-bad").replace("matsciml_datasets()", "matsciml_datasets(manager)"),
        (),
        ("wrong signature", "manager"),
    ),
    "wrong unit": (good("zz-bad").replace('unit="eV"', 'unit="furlong"'), (), ("'furlong'",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_broken_plugin(fine: Any, fault: str) -> None:
    source, requires, reasons = FAULTS[fault]
    fine.add("matsciml-data-zz-bad", source, entry_point="zz-bad", requires=requires, version="0.7")

    listed = matsciml(fine, "list-plugins", "--json")
    assert listed.code == 0, listed.err
    assert plugins(listed)["matsciml-data-zz-fine"]["state"] == "ok"
    bad = plugins(listed)["matsciml-data-zz-bad"]
    assert (bad["state"], bad["version"]) == ("failed", "0.7")
    for reason in reasons:
        assert reason in bad["reason"]
    assert bad["fix"]

    doctor = matsciml(fine, "doctor")
    assert doctor.code == 1
    assert bad["reason"] in doctor.out
    assert bad["fix"] in doctor.out

    used = matsciml(fine, "info", "zz-bad")
    assert used.code == 2
    assert "matsciml-data-zz-bad 0.7" in used.line
    assert bad["reason"] in used.line

    assert matsciml(fine, "info", "zz-fine").code == 0


def test_all_of_them_at_once(fine: Any) -> None:
    for number, (source, requires, _) in enumerate(FAULTS.values()):
        fine.add(f"matsciml-data-zz-bad{number}", source, requires=requires)
    outcome = matsciml(fine, "list-plugins")
    assert outcome.code == 0
    failed = [line for line in outcome.out.splitlines() if " failed " in line]
    assert len(failed) == len(FAULTS)
    assert "Traceback" not in outcome.out + outcome.err
    for verb in ("--help", "--version"):
        assert matsciml(fine, verb).code == 0


def test_strict_stops_at_a_broken_plugin(fine: Any) -> None:
    fine.add("matsciml-data-zz-bad", "1 / 0")
    by_option = matsciml(fine, "list-plugins", "--strict")
    by_environment = matsciml(fine, "list-plugins", MATSCIML_STRICT="1")
    assert by_option.code == by_environment.code == 2
    assert by_option.line == by_environment.line
    assert "matsciml-data-zz-bad 0.1.0" in by_option.line
    assert matsciml(fine, "--help", MATSCIML_STRICT="1").code == 0


def test_two_that_claim_one_name(fine: Any) -> None:
    fine.add("matsciml-data-zz-rival", good("zz-fine"))
    listed = matsciml(fine, "list-plugins")
    assert listed.code == 0
    rows = [line for line in listed.out.splitlines() if " zz-fine " in line]
    assert len(rows) == 2
    assert all(" duplicate " in row for row in rows)

    both = ("matsciml-data-zz-fine 0.1.0", "matsciml-data-zz-rival 0.1.0")
    doctor = matsciml(fine, "doctor")
    assert doctor.code == 1
    assert f"{both[0]} and by {both[1]}" in doctor.out

    code = "from matsciml_core import build_registry; build_registry().get('dataset', 'zz-fine')"
    used = python(fine, "-c", code)
    assert used.code == 1
    assert "DuplicateNameError" in used.err
    assert f"{both[0]} and by {both[1]}" in used.err

    chosen = python(fine, "-c", code, MATSCIML_PLUGINS="matsciml-data-zz-rival")
    assert chosen.code == 0, chosen.err


def test_blocked_by_the_environment(fine: Any) -> None:
    fine.add("matsciml-data-zz-bad", "raise RuntimeError('imported!')")
    restricted = matsciml(fine, "list-plugins", "--json", MATSCIML_PLUGINS="fine")
    states = {name: one["state"] for name, one in plugins(restricted).items()}
    assert states.pop("matsciml-data-zz-fine") == "ok"
    assert set(states.values()) == {"blocked"}

    none = matsciml(fine, "list-plugins", "--json", MATSCIML_PLUGINS="")
    left = json.loads(none.out)["components"]
    assert {component["distribution"] for component in left} <= {"matsciml"}  # the core's own
    assert {one["state"] for one in plugins(none).values()} == {"blocked"}
    assert "imported!" not in none.out

    used = matsciml(fine, "info", "zz-fine", MATSCIML_PLUGINS="")
    assert used.code == 2
    assert "MATSCIML_PLUGINS" in used.line


def test_broken_metadata_of_strangers_do_no_harm(fine: Any) -> None:
    fine.write("stranger-1.0.dist-info/entry_points.txt", "\x00 no section\n")
    fine.write("~tranger-1.0.dist-info/entry_points.txt", "[matsciml.plugins]\nx = nothing\n")
    fine.write("empty.dist-info/RECORD", "")
    outcome = matsciml(fine, "list-plugins", "--json")
    assert outcome.code == 0, outcome.err
    assert plugins(outcome)["matsciml-data-zz-fine"]["state"] == "ok"
    assert not {"stranger", "~tranger", "empty"} & set(plugins(outcome))


def test_trace(fine: Any) -> None:
    outcome = matsciml(fine, "list-plugins", "--json", MATSCIML_TRACE="1")
    assert "matsciml: matsciml_datasets() -> fine" in outcome.err
    assert json.loads(outcome.out)["schema"] == 1


def test_ctrl_c_while_a_plugin_is_imported(fine: Any) -> None:
    fine.add("matsciml-data-zz-bad", "raise KeyboardInterrupt")
    outcome = matsciml(fine, "list-plugins")
    assert outcome.code == 130
    assert "Traceback" not in outcome.err


def test_output_in_a_pipe_is_not_cut_off(fine: Any) -> None:
    outcome = matsciml(fine, "list-plugins", COLUMNS="40")
    row = next(line for line in outcome.out.splitlines() if " zz-fine " in line)
    assert row.endswith("Test crystals.")
    assert len(row) > 40


@pytest.mark.parametrize(
    "arguments",
    [
        ["list-plugins"],
        ["list-plugins", "--json", "--kind", "dataset"],
        ["--help"],
        ["info", "zz-fine"],
        ["doctor"],
        ["--version"],
        ["run", "--help"],
        ["new", "--help"],
        ["check", "--help"],
        ["no-such-verb"],
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(fine: Any, arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from matsciml_cli.app import execute\n"
        "execute(sys.argv[1:])\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    outcome = python(fine, "-c", script, *arguments)
    assert outcome.code == 0, outcome.err
    assert outcome.err.splitlines()[-1] == "HEAVY []"


def test_a_plugin_that_imports_torch_is_named_by_doctor(fine: Any) -> None:
    fine.write("torch/__init__.py", "")  # stands in for the real one, which takes seconds
    fine.add("matsciml-data-zz-slow", "import torch\n" + good("zz-slow").replace("\n    ", "\n"))
    outcome = matsciml(fine, "doctor", "--json")
    (slow,) = [one for one in json.loads(outcome.out)["checks"] if "zz-slow" in one["name"]]
    assert slow["state"] == "warning"
    assert "imports torch, which slows every command" in slow["detail"]
