"""``matsciml check``: the scorecard, its exit code, and what a user can do wrong."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace

import pytest

from matsciml_cli import state
from matsciml_cli.app import execute
from matsciml_cli.commands.check import CHECKED, _settings
from matsciml_core.registry._hookspecs import new_plugin_manager
from matsciml_core.registry.installed import InstalledVersions
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.records import PluginRecord
from matsciml_core.testing import CHECKS, examples
from matsciml_core.testing.examples import ExampleDataset, ExampleEncoder, ExampleStrategy

HERE = "broken_components_for_check"


class SumReadOut(ExampleEncoder):
    def forward(self, batch):
        embedding = super().forward(batch)
        sizes = batch.atoms_per_crystal[:, None].to(embedding.crystals)
        return replace(embedding, crystals=embedding.crystals * sizes)


class Raises(ExampleStrategy):
    def __init__(self, config=None):
        raise RuntimeError("the licence server does not answer")


class NotThereYet(ExampleDataset):
    def __init__(self, config=None):
        from matsciml_core.errors import DataError

        raise DataError("The data of 'missing' is not there yet; fetch it first.")


SPECS = (
    replace(examples.ENCODER, name="good"),
    replace(examples.ENCODER, name="sum", class_path=f"{HERE}:SumReadOut"),
    replace(examples.STRATEGY, name="raises", class_path=f"{HERE}:Raises"),
    replace(examples.DATASET, name="missing", class_path=f"{HERE}:NotThereYet"),
    replace(examples.DATASET, name="both"),
    replace(examples.STRATEGY, name="both"),
    replace(examples.HEAD, name="head"),
    replace(examples.DATASET, name="twin"),
    replace(examples.ENCODER, name="twin"),
)


@pytest.fixture
def matsciml(monkeypatch, capsys):
    """Run the command line with a registry that offers the components above."""
    record = PluginRecord(
        entry_point="test",
        distribution="matsciml-test",
        version="1.0",
        module="none",
        state="ok",
        specs=SPECS,
    )
    registry = Registry([record], manager=new_plugin_manager(), installed=InstalledVersions(None))
    monkeypatch.setattr(state, "build_registry", lambda **_: registry)
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])

    def run(*arguments):
        code = execute(["check", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_good_component(matsciml):
    code, out, err = matsciml("good", "--quick")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == [
        "check",
        "measured",
        "tolerance",
        "promise,",
        "or",
        "what",
        "is",
        "wrong",
    ]
    assert len(lines) == len(CHECKS["encoder"]) + 2
    assert re.fullmatch(r"encoder good: 3\d passed, 0 failed, [1-4] skipped", lines[-1])
    rotation = next(line for line in lines if " rotation " in line)
    assert rotation.startswith("✓  rotation")
    assert "≤ 1e-09" in rotation
    assert "does not change when the crystal is rotated" in rotation


def test_a_broken_promise(matsciml):
    code, out, err = matsciml("sum", "--quick")
    assert code == 1
    failed = [line for line in out.splitlines() if line.startswith("✗")]
    assert len(failed) == 1
    assert failed[0].startswith("✗  supercell")
    assert "Fe repeated 2 times" in failed[0] or "triclinic repeated 2 times" in failed[0]
    assert "1 failed" in out.splitlines()[-1]
    assert err.startswith("supercell: A supercell has the embedding of its unit cell")
    assert "docs/reference/conformance.md#encoder-supercell" in err


def test_json(matsciml):
    code, out, err = matsciml("sum", "--quick", "--json")
    assert (code, err) == (1, "")
    data = json.loads(out)
    assert data["schema"] == 1
    assert (data["kind"], data["name"], data["passed"]) == ("encoder", "sum", False)
    assert data["counts"]["failed"] == 1
    results = {one["check"]: one["result"] for one in data["checks"]}
    assert results["supercell"] == "failed"
    assert results["rotation"] == "passed"
    assert list(results) == [check.name for check in CHECKS["encoder"]]


def test_settings_reach_the_component(matsciml):
    code, out, _ = matsciml("good", "--quick", "--set", "width=4", "-s", "cutoff=3.5")
    assert code == 0
    assert "atoms 4, crystals 4" in out
    assert "3.5 Å" in out


def test_a_component_that_cannot_be_built(matsciml):
    code, out, _ = matsciml("raises")
    assert code == 1
    assert "RuntimeError: the licence server does not answer" in out
    assert "The strategy cannot be built." in out
    assert out.splitlines()[-1] == (
        f"strategy raises: 0 passed, 1 failed, {len(CHECKS['strategy']) - 1} skipped"
    )


@pytest.mark.parametrize("name", ["head", "good"])
def test_every_row_stands_on_a_line_of_its_own_off_a_terminal(matsciml, name):
    _, out, _ = matsciml(name, "--quick")
    marks = [line[0] for line in out.splitlines()[1:-1]]
    assert set(marks) <= set("✓✗!–")


class TestUserErrors:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["god"], "There is nothing called 'god'. Did you mean 'good'?"),
            (["good", "--kind", "dataset"], "good"),
            (["good", "--kind", "encodr"], "Did you mean 'encoder'?"),
            (["both"], "'both' is a dataset and a strategy; say which with '--kind dataset'."),
            (["twin"], "'twin' is a dataset and an encoder; say which with '--kind dataset'."),
            (["good", "--set", "width"], "'--set width' is not KEY=VALUE"),
            (["good", "--set", "widht=3"], "Did you mean 'width'?"),
            (["good", "--set", "width=[3"], "The value in '--set width=[3' is not valid YAML."),
            (["good", "--set", "width=wide"], "'good.width' is 'wide'"),
            (["both", "--kind", "strategy", "--set", "a=1"], "'both' has no settings"),
            (["missing"], "The data of 'missing' is not there yet; fetch it first."),
            ([], "Missing argument"),
        ],
    )
    def test_one_sentence_and_exit_code_2(self, matsciml, arguments, sentence):
        code, out, err = matsciml(*arguments)
        assert (code, out) == (2, "")
        assert sentence in err
        assert len(err.strip().splitlines()) == 1
        assert "Traceback" not in err

    def test_the_kind_settles_an_ambiguous_name(self, matsciml):
        code, out, _ = matsciml("both", "--kind", "strategy")
        assert code == 0
        assert out.splitlines()[-1].startswith("strategy both: 15 passed")


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("encoder", ["width=4", "cutoff=2.5"], {"width": 4, "cutoff": 2.5}),
        ("encoder", ["encoder.width=4", "cutoff=2.5"], {"width": 4, "cutoff": 2.5}),
        ("task-head", ["head.hidden=[64, 32]"], {"hidden": [64, 32]}),
        ("encoder", ["head.hidden=3"], {"head": {"hidden": 3}}),
        ("dataset", [], {}),
    ],
)
def test_settings_may_be_written_as_for_run(kind, given, expected):
    assert _settings(kind, given) == expected


def test_every_kind_with_checks_is_looked_for():
    assert set(CHECKED) == set(CHECKS)


def test_on_a_terminal_the_current_check_is_shown(matsciml, monkeypatch):
    from matsciml_cli import console
    from matsciml_cli.commands import check

    monkeypatch.setattr(check, "on_terminal", lambda: True)
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "140")
    code, out, _ = matsciml("both", "--kind", "strategy")
    assert code == 0
    assert "single-task" in out
    assert "strategy both: 15 passed" in out


def test_help_imports_no_torch():
    import subprocess

    code = (
        "import sys\nfrom matsciml_cli.app import execute\n"
        "execute(['check', '--help'])\nprint('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"
    assert "--quick" in found.stdout
