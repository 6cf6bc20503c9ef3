"""``matsciml generate``, ``evaluate-crystals`` and ``reconstruct``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_core.data.readers.extxyz import write_frames
from matsciml_core.testing.crystals import all_crystals, rutile, sodium_chloride
from matsciml_tool_generate import sampling

FEW = ("--levels", "3", "--steps", "2", "--batch-size", "4")
Cli = Callable[..., Any]


@pytest.fixture
def run(write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a model that generates rock salt, and predicts a property."""
    monkeypatch.chdir(tmp_path)
    return write_run().relative_to(tmp_path)


def count(path: str) -> int:
    return sum(line.startswith("Lattice") for line in Path(path).read_text().splitlines())


class TestGenerate:
    def test_crystals_and_rejections(self, cli: Cli, run: Path) -> None:
        outcome = cli("generate", str(run), "--number", "10", "--seed", "3", *FEW)
        assert (outcome.code, outcome.err) == (0, "")
        assert count("generated.extxyz") == 9
        lines = outcome.out.splitlines()
        assert lines[0] == "9 of 10 crystals: generated.extxyz"
        reason = "rejected: a coordinate became infinite or undefined while sampling"
        assert lines[1].split() == ["1", *reason.split()]

    def test_guided(self, cli: Cli, run: Path) -> None:
        outcome = cli(
            *("generate", str(run), "--number", "3", *FEW),
            *("--guide", "formation_energy_per_atom=2.4", "--guide-steps", "400"),
            *("--guide-rate", "0.05", "--output", "guided.extxyz"),
        )
        assert outcome.code == 0
        assert json.loads(Path("guided.extxyz.json").read_text())["targets"] == {
            "formation_energy_per_atom": 2.4
        }

    def test_prescribed_composition(self, cli: Cli, run: Path) -> None:
        arguments = ("generate", str(run), "--number", "5", "--composition", "NaCl")
        outcome = cli(*arguments, *FEW)
        assert (outcome.code, outcome.err) == (0, "")
        assert json.loads(Path("generated.extxyz.json").read_text())["formula"] == {
            "Na": 1,
            "Cl": 1,
        }
        # The positions fade into noise of 0.01 Å, by which crystals of one cell stay the same.
        assert "Duplicates of earlier ones, by StructureMatcher: " in outcome.out
        first = Path("generated.extxyz").read_text()
        assert cli(*arguments, *FEW, "--output", "again.extxyz").code == 0
        assert Path("again.extxyz").read_text() == first

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("run", "--composition", "NaCl)"), "'--composition NaCl)' is not a formula"),
            (("run", "--space-group", "225"), "cannot sample within a space group"),
            (("run", "--guide", "energy"), "is not NAME=VALUE"),
            (("run", "--guide", "energy=low"), "is not NAME=VALUE"),
            (("run", "--guide", "energy=nan"), "is not NAME=VALUE"),
            (("run", "--output", "run"), "'run' is a folder"),
            (("run", "--guide", "energy=1"), "cannot be guided by 'energy'"),
            (("run", "--step-size", "0"), "'--step-size' is 0"),
            (("run", "--sampler", "dice"), "'--sampler' is 'dice'"),
            (("run", "--levels", str(10**20)), "'--levels' is 1000"),
            (("run", "--relax-fmax", "0.1"), "are of --relax"),
            (("run", "--guide-steps", "9"), "are of --guide"),
            (("run", "--output", "new.cif"), "end 'new.cif' in .extxyz"),
            (("runs", "--number", "1"), "'runs' does not exist"),
        ],
    )
    def test_mistakes(self, arguments: tuple[str, ...], words: str, cli: Cli, run: Path) -> None:
        outcome = cli("generate", *arguments)
        assert outcome.code == 2
        assert words in outcome.error

    def test_interruption(self, cli: Cli, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*arguments: Any, **settings: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(sampling, "generate_crystals", interrupt)
        monkeypatch.setattr(sys, "argv", ["matsciml", "generate", "run", "--restart"])
        outcome = cli("generate", str(run), "--restart")
        assert outcome.code == 130
        assert outcome.err.rstrip().endswith("resume with:\n  matsciml generate run")

    @pytest.mark.slow
    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
    def test_resumes_after_being_killed(
        self, how: signal.Signals, cli: Cli, run: Path, plugin_folder: Any
    ) -> None:
        arguments = ("generate", "run", "--number", "10", "--seed", "3", *FEW)
        cli(*arguments, "--output", "whole.extxyz")
        program = (
            f"import sys; sys.path.insert(0, {str(plugin_folder.path)!r})\n"
            "from matsciml_cli import app; app.main()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments, "--output", "parts.extxyz"],
            env={**os.environ, "GENERATOR_PAUSE": "0.5", "MATSCIML_PLUGINS": "toy,generate"},
            stderr=subprocess.PIPE,
            text=True,
        )
        state = Path("parts.extxyz.partial") / "000001.safetensors"
        for _ in range(1200):
            if state.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        assert process.poll() is None, process.stderr and process.stderr.read()
        process.send_signal(how)
        _, error = process.communicate(timeout=60)
        assert process.returncode == (-9 if how is signal.SIGKILL else 130), error
        assert not Path("parts.extxyz").exists()
        outcome = cli(*arguments, "--output", "parts.extxyz")
        assert outcome.code == 0
        assert Path("parts.extxyz").read_text() == Path("whole.extxyz").read_text()


class TestEvaluate:
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write_frames(Path("new.extxyz"), [sodium_chloride(), rutile(), rutile()])
        with Path("new.extxyz").open("a") as stream:
            stream.write(
                '1\nLattice="nan 0 0 0 1 0 0 0 1" Properties=species:S:1:pos:R:3\nXx 0 0 0'
            )
        write_frames(Path("test.extxyz"), all_crystals())
        write_frames(Path("train.extxyz"), [rutile()])

    def test_table_files_and_page(self, cli: Cli) -> None:
        outcome = cli(
            *("evaluate-crystals", "new.extxyz", "--reference", "test.extxyz"),
            *("--reference-train", "train.extxyz", "--no-coverage", "--workers", "1"),
        )
        assert (outcome.code, outcome.err) == (0, "")
        rows = {line[:31].strip(): line[31:].split() for line in outcome.out.splitlines()}
        assert rows["structure validity"][:2] == ["75.0", "%"]
        assert rows["uniqueness"][:2] == ["66.7", "%"]
        assert rows["novelty"][:2] == ["33.3", "%"]
        assert "1  an atomic number is not between 1 and 118" in outcome.out
        assert outcome.out.splitlines()[-1] == "Report: new-evaluation/report.html"
        data = json.loads(Path("new-evaluation/metrics.json").read_text())
        assert data["sizes"] == {
            "generated": 4,
            "reference": len(all_crystals()),
            "training": 1,
        }
        assert Path("new-evaluation/report.html").read_text().startswith("<!DOCTYPE html>")

    def test_json(self, cli: Cli) -> None:
        outcome = cli(
            *("evaluate-crystals", "new.extxyz", "--reference", "test.extxyz", "--json"),
            *("--no-coverage", "--workers", "1", "-o", "there"),
        )
        assert outcome.data == json.loads(Path("there/metrics.json").read_text())
        assert "novelty" not in outcome.data["metrics"]

    def test_rejected_crystals_count(self, cli: Cli) -> None:
        Path("new.extxyz.json").write_text(json.dumps({"rejected": {"no atoms": 6}}))
        outcome = cli(
            *("evaluate-crystals", "new.extxyz", "--reference", "test.extxyz", "--json"),
            *("--no-coverage", "--workers", "1"),
        )
        assert outcome.data["metrics"]["structure_validity"]["value"] == pytest.approx(0.3)
        assert outcome.data["rejected"] == {"no atoms": 6}

    def test_nothing_but_rejected_crystals(self, cli: Cli) -> None:
        Path("none.extxyz").write_text("")
        command = ("evaluate-crystals", "none.extxyz", "--reference", "test.extxyz")
        options = ("--no-coverage", "--workers", "1", "-o", "none")
        assert "holds no structure" in cli(*command, *options).error
        Path("none.extxyz.json").write_text(json.dumps({"rejected": {"no atoms": 6}}))
        outcome = cli(*command, *options)
        assert (outcome.code, outcome.err) == (0, "")
        assert "6  rejected: no atoms" in outcome.out
        assert "No generated crystal can be pictured" in Path("none/report.html").read_text()

    @pytest.mark.slow
    def test_with_coverage(self, cli: Cli) -> None:
        outcome = cli(*("evaluate-crystals", "new.extxyz", "--reference", "test.extxyz", "--json"))
        assert outcome.data["metrics"]["coverage_precision"]["value"] == 0.25  # rutile is not in it
        assert 0 < outcome.data["metrics"]["coverage_recall"]["value"] <= 1

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--cutoffs", "mp21"), "Did you mean 'mp20'"),
            (("--published", "oqmd"), "There is no set 'oqmd'"),
            (("--oxidation-states", "mine", "--no-coverage"), "no list of oxidation states"),
            (("--energy-model", "nowhere", "--no-coverage"), "'nowhere' does not exist"),
        ],
    )
    def test_mistakes(self, arguments: tuple[str, ...], words: str, cli: Cli) -> None:
        outcome = cli("evaluate-crystals", "new.extxyz", "--reference", "test.extxyz", *arguments)
        assert outcome.code == 2
        # On a slow machine reading takes long enough to be shown, before the sentence.
        assert words in outcome.err

    def test_energy_model(self, cli: Cli, run: Path) -> None:
        text = Path("test.extxyz").read_text().splitlines()
        named = [
            f"{line} formation_energy_per_atom=-1" if "Lattice" in line else line for line in text
        ]
        Path("known.extxyz").write_text("\n".join(named) + "\n")
        outcome = cli(
            *("evaluate-crystals", "new.extxyz", "--reference", "known.extxyz", "--json"),
            *("--no-coverage", "--workers", "1", "--energy-model", "run", "--hull-cutoff", "99"),
        )
        assert outcome.code == 0, outcome.err
        assert outcome.data["stability"]["evaluated"] == 3
        assert outcome.data["stability"]["reference"] == "known.extxyz"
        assert outcome.data["metrics"]["stability"]["value"] == 0.75
        assert outcome.data["metrics"]["energy_distance"]["unit"] == "eV/atom"
        assert "above the hull" in Path("new-evaluation/report.html").read_text()


class TestReconstruct:
    def test_table_and_file(self, cli: Cli, run: Path) -> None:
        write_frames(Path("truth.extxyz"), [sodium_chloride(), rutile()])
        arguments = ("reconstruct", str(run), "--dataset", "truth.extxyz", "--levels", "2")
        outcome = cli(*arguments, "--steps", "1", "--workers", "1", "--output", "back.extxyz")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.splitlines()[0] == "2 crystals of truth.extxyz, 2 decoded"
        assert "50 %" in outcome.out
        assert "45.43 %" in outcome.out
        assert count("back.extxyz") == 2
        outcome = cli(*arguments, "--json", "--limit", "1", "--workers", "1", "--steps", "1")
        assert outcome.data["match_rate"] == 1.0
        assert list(outcome.data["distances"]) == ["NaCl"]

    @pytest.mark.parametrize(
        ("output", "options", "words"),
        [
            ("kept.extxyz", (), "'kept.extxyz' exists"),
            ("truth.extxyz", ("--replace",), "never replaced"),
            ("new.cif", (), "end 'new.cif' in .extxyz"),
        ],
    )
    def test_nothing_of_the_users_is_written_over(
        self, cli: Cli, run: Path, output: str, options: tuple[str, ...], words: str
    ) -> None:
        for name in ("truth.extxyz", "kept.extxyz"):
            Path(name).write_text("mine")
        arguments = ("--dataset", "truth.extxyz", "--output", output, *options)
        outcome = cli("reconstruct", str(run), *arguments)
        assert (outcome.code, words in outcome.error) == (2, True)
        assert {Path(name).read_text() for name in ("truth.extxyz", "kept.extxyz")} == {"mine"}

    def test_mistakes(self, cli: Cli, run: Path) -> None:
        outcome = cli("reconstruct", str(run), "--dataset", "nothing.extxyz")
        assert outcome.code == 2


def test_predict_says_once_that_there_is_no_label(
    cli: Cli, write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_frames(Path("some.extxyz"), all_crystals())
    outcome = cli("predict", str(write_run(with_property=False)), "some.extxyz", "-o", "p.csv")
    assert outcome.code == 2
    assert outcome.err.count("predicts no label") == 1
    assert not list(Path().glob("p.csv*"))


def test_help_needs_no_torch() -> None:
    program = (
        "import sys\nfrom matsciml_cli import app\n"
        "for command in ('generate', 'evaluate-crystals', 'reconstruct'):\n"
        "    assert app.execute([command, '--help']) == 0\n"
        "assert not {'torch', 'pymatgen', 'numpy', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
