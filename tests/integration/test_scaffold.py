"""What ``matsciml new`` writes can be built, installed, listed, tested, checked and run.

Each generated package is built into a wheel and installed into an environment of its own, which
borrows torch and the core from this one and has nothing else in common with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from matsciml_cli.commands.new import Kind

ROOT = Path(__file__).parents[2]
MODULES = {
    "dataset": "matsciml_data_mine",
    "encoder": "matsciml_model_mine",
    "task-head": "matsciml_head_mine",
    "strategy": "matsciml_strategy_mine",
    "reader": "matsciml_reader_mine",
}


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and an empty folder to work in."""

    python: Path
    work: Path

    def run(self, *arguments: str, folder: Path | None = None) -> str:
        """Run Python there and return what it prints; it must succeed."""
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return succeed(
            [str(self.python), *arguments],
            folder or self.work,
            # Two threads of each of two processes are slower on two cores than one of each.
            {**clean, "OMP_NUM_THREADS": "1", "MATSCIML_STRICT": "1"},
        )

    def matsciml(self, *arguments: str) -> str:
        """Run the command line there."""
        return self.run("-m", "matsciml_cli", *arguments)


def succeed(command: Sequence[str], folder: Path, variables: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The generated folders by kind."""
    folder = tmp_path_factory.mktemp("sources")
    # The names must be free whatever is installed here.
    variables = {**os.environ, "MATSCIML_PLUGINS": ""}
    for kind in Kind:
        succeed(
            [sys.executable, "-m", "matsciml_cli", "new", kind.value, "mine"], folder, variables
        )
    return {kind: folder / module.replace("_", "-") for kind, module in MODULES.items()}


@pytest.fixture(scope="module")
def alone(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The dataset beside the core, as a third party would install it."""
    return install(["dataset"], sources, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def together(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One plugin of each kind, all of the same name."""
    return install(list(MODULES), sources, tmp_path_factory.mktemp("together"))


def install(names: Sequence[str], sources: dict[str, Path], folder: Path) -> Environment:
    """Build wheels and install them into a new environment."""
    environment = create_environment(folder / "environment")
    for name in names:
        build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist")]
        succeed([sys.executable, *build, str(sources[name])], folder)
    wheels = [str(wheel) for wheel in sorted((folder / "dist").glob("*.whl"))]
    assert len(wheels) == len(names)
    pip = ["-m", "pip", "--python", str(environment.python), "--disable-pip-version-check"]
    succeed([sys.executable, *pip, "install", "--no-deps", "--no-index", *wheels], folder)
    return environment


def create_environment(folder: Path) -> Environment:
    """Create an environment that sees what is installed here, after what is installed there."""
    venv.EnvBuilder(symlinks=os.name != "nt").create(folder)
    place = {"base": str(folder), "platbase": str(folder)}
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # addsitedir rather than a plain path, so that editable installs of the core are found too.
    lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(here)]
    site_packages = Path(sysconfig.get_path("purelib", "venv", vars=place))
    (site_packages / "borrowed.pth").write_text("".join(lines))
    work = folder.parent / "work"
    work.mkdir()
    return Environment(Path(sysconfig.get_path("scripts", "venv", vars=place), "python"), work)


def assert_installed(environment: Environment, module: str) -> None:
    """The package is imported from its wheel, not from the folder it was generated in."""
    found = environment.run("-c", f"import {module}; print({module}.__file__)").strip()
    assert Path(found).is_relative_to(environment.python.parents[1])


def assert_own_tests_pass(environment: Environment, source: Path) -> None:
    """Run the tests that the package came with; nothing may even warn."""
    options = ("-v", "-W", "error", "-p", "no:cacheprovider")
    report = environment.run("-m", "pytest", *options, "tests", folder=source)
    for file in source.glob("tests/test_*.py"):
        assert f"{file.name}::" in report


def components(environment: Environment) -> dict[tuple[str, str], dict[str, str]]:
    listing = json.loads(environment.matsciml("list-plugins", "--json"))
    return {(item["kind"], item["name"]): item for item in listing["components"]}


def run_one_epoch(environment: Environment, *flags: str) -> dict[str, object]:
    """Train for one epoch and return ``run.json``."""
    fixed = ("--epochs", "1", "--device", "cpu", "--output", "runs")
    environment.matsciml("run", *flags, *fixed)
    return json.loads((environment.work / "runs" / "latest" / "run.json").read_text("utf-8"))


class TestDataset:
    """A dataset alone beside the core."""

    def test_is_listed(self, alone: Environment) -> None:
        assert_installed(alone, "matsciml_data_mine")
        found = components(alone)["dataset", "mine"]
        assert found["state"] == "ok"
        assert (found["distribution"], found["version"]) == ("matsciml-data-mine", "0.1.0")

    def test_keeps_its_promises(self, alone: Environment) -> None:
        card = json.loads(alone.matsciml("check", "mine", "--json"))
        results = {row["check"]: row["result"] for row in card["checks"]}
        assert card["passed"]
        assert set(results.values()) == {"passed"}, results

    def test_passes_its_own_tests(self, alone: Environment, sources: dict[str, Path]) -> None:
        assert_own_tests_pass(alone, sources["dataset"])

    def test_trains_a_model(self, alone: Environment) -> None:
        record = run_one_epoch(alone, "--dataset", "mine", "--encoder", "megnet")
        metrics = record["metrics"]["test"]["mine/energy_per_atom"]
        assert metrics["unit"] == "eV/atom"
        assert 0 < metrics["mae"] < 10
        assert record["baselines"]["mine/energy_per_atom"]["mean"]["mae"] > 0.1


class TestAllKinds:
    """One plugin of each kind, all of the same name, in one environment."""

    def test_are_listed(self, together: Environment) -> None:
        found = components(together)
        for kind, module in MODULES.items():
            assert_installed(together, module)
            assert found[kind, "mine"]["state"] == "ok"
            assert found[kind, "mine"]["distribution"] == module.replace("_", "-")

    @pytest.mark.slow  # the same checks are among the packages' own tests
    @pytest.mark.parametrize("kind", ["encoder", "task-head", "strategy", "reader"])
    def test_keep_their_promises(self, together: Environment, kind: str) -> None:
        card = json.loads(together.matsciml("check", "mine", "--kind", kind, "--json"))
        results = {row["check"]: row["result"] for row in card["checks"]}
        assert card["passed"]
        assert set(results.values()) <= {"passed", "skipped"}, results

    @pytest.mark.parametrize("kind", ["encoder", "task-head", "strategy", "reader"])
    def test_pass_their_own_tests(
        self, together: Environment, sources: dict[str, Path], kind: str
    ) -> None:
        assert_own_tests_pass(together, sources[kind])

    def test_work_together(self, together: Environment) -> None:
        record = run_one_epoch(
            together,
            *("--dataset", "mine", "--encoder", "mine", "--strategy", "mine"),
            *("--target", "energy_per_atom", "--target", "bulk_modulus"),
            *("--set", "head.name=mine", "--set", "strategy.weights={mine/bulk_modulus: 0.5}"),
        )
        metrics = record["metrics"]["test"]
        assert metrics["mine/energy_per_atom"]["count"] > metrics["mine/bulk_modulus"]["count"] > 0
        config = (together.work / "runs" / "latest" / "config.yaml").read_text("utf-8")
        assert config.count("name: mine") == 4


def test_templates_are_part_of_the_wheel(tmp_path: Path) -> None:
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    succeed([sys.executable, *build], tmp_path)
    (wheel,) = tmp_path.glob("matsciml-*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if "/templates/" in name}
    tree = (ROOT / "matsciml_cli" / "templates").rglob("*")
    assert packed == {path.relative_to(ROOT).as_posix() for path in tree if path.is_file()}
    assert len(packed) > 20
