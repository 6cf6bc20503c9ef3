"""The core with four plugins and nothing else, in a fresh environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from matsciml_core.registry.known_plugins import known_components

ROOT = Path(__file__).parents[2]
PLUGINS = (
    "matsciml-data-mp",
    "matsciml-model-megnet",
    "matsciml-head-property",
    "matsciml-strategy-single",
    "matsciml-util-property",
)
SMALL = (
    *("--epochs", "1", "--batch-size", "16", "--set", "split.max_train_crystals=60"),
    *("--set", "dataset.max_atoms=3", "--set", "encoder.num_blocks=1", "--set", "encoder.cutoff=4"),
)
SALT = """2
Lattice="0 2.82 2.82 2.82 0 2.82 2.82 2.82 0" Properties=species:S:1:pos:R:3 pbc="T T T"
Na 0 0 0
Cl 2.82 2.82 2.82
"""
PROGRAM = """
import matsciml_core

crystals = matsciml_core.build_registry().get("dataset", "mp").load()(None)
result = matsciml_core.train(
    dataset=[crystals[index] for index in range(60)],
    units={"formation_energy_per_atom": "eV/atom"},
    encoder={"name": "megnet", "num_blocks": 1},
    epochs=1,
    quiet=True,
)
print(result.model.predict(crystals[0])[0]["formation_energy_per_atom"])
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


class Environment:
    """A fresh environment, and a folder to work in."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.bin, self.work = folder / "bin", work
        ours = ("PYTHON", "VIRTUAL_ENV", "MATSCIML_")
        self.variables = {key: text for key, text in os.environ.items() if not key.startswith(ours)}
        self.variables |= {"MATSCIML_DATA": str(work / "data"), "OMP_NUM_THREADS": "1"}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.work,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def pip(self, *packages: str) -> None:
        pins = str(ROOT / "constraints.txt")
        done = self.run("python", "-m", "pip", "install", "-q", "--constraint", pins, *packages)
        assert done.returncode == 0, done.stdout + done.stderr


def with_libraries(name: str) -> Iterator[str]:
    """Yield the libraries of this repository that a plugin requires, and the plugin."""
    text = (ROOT / "plugins" / name / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in tomllib.loads(text)["project"]["dependencies"]:
        library = re.split(r"[<>=\[ ]", requirement)[0]
        if library.startswith("matsciml-"):
            yield from with_libraries(library)
    yield name


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Give an environment with wheels of the core and of four plugins."""
    folder, work = tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("work")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    environment = Environment(folder, work)
    environment.pip("torch")  # alone: its pin keeps other packages from pulling another build
    names = dict.fromkeys(name for plugin in PLUGINS for name in with_libraries(plugin))
    environment.pip(str(ROOT), *(str(ROOT / "plugins" / name) for name in names))
    return environment


@pytest.fixture(scope="module")
def trained(bare: Environment) -> subprocess.CompletedProcess[str]:
    """Train once."""
    return bare.run("matsciml", "run", "--dataset", "mp", "--encoder", "megnet", *SMALL)


def test_it_trains_and_says_nothing_of_what_is_not_there(bare, trained):
    assert trained.returncode == 0, trained.stderr
    assert trained.stderr == ""
    assert (bare.work / "runs" / "latest" / "model.safetensors").is_file()
    assert not (bare.work / "runs" / "latest" / "tensorboard").exists()
    assert bare.run("python", "-c", "import tensorboard").returncode != 0


@pytest.mark.usefixtures("trained")
def test_it_predicts(bare):
    (bare.work / "salt.extxyz").write_text(SALT, encoding="utf-8")
    done = bare.run("matsciml", "predict", "runs/latest", "salt.extxyz", "--output", "-")
    assert done.returncode == 0, done.stderr
    header, row = done.stdout.splitlines()
    assert "formation_energy_per_atom" in header
    assert "salt" in row or "NaCl" in row


def test_it_trains_in_python(bare):
    done = bare.run("python", "-W", "error", "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1])


def test_a_logger_that_is_asked_for_says_what_to_install(bare):
    asked = ("--set", "training.loggers=[tensorboard]")
    done = bare.run("matsciml", "run", "--dataset", "mp", "--encoder", "megnet", *asked, *SMALL)
    assert done.returncode == 2
    assert "pip install matsciml-tool-tensorboard" in done.stderr


def test_every_other_command_says_what_to_install(bare):
    commands = list(known_components("command"))
    assert len(commands) > 5
    for component in commands:
        done = bare.run("matsciml", component.name)
        assert done.returncode == 2, component.name
        assert f"pip install {component.distribution}" in done.stderr, component.name
        assert done.stderr.count("\n") == 1
