"""From training to evaluation: the commands of the generative pipeline, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (find_spec("matsciml_model_cdvae") and find_spec("matsciml_data_mp")),
        reason="the generative model and the dataset it learns here are not installed",
    ),
]
TINY = (
    *("--set", "dataset.max_atoms=3", "--epochs", "1"),
    *("--set", "encoder.hidden=8", "--set", "encoder.num_blocks=1"),
    *("--set", "encoder.embedding_width=8", "--set", "encoder.latent_width=8"),
    *("--set", "head.crystal-generation.hidden=8"),
    *("--set", "head.crystal-generation.num_blocks=1"),
)
FEW = ("--levels", "4", "--steps", "2")


def matsciml(*arguments: str, folder: Path) -> str:
    """Run a command line in a folder, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "matsciml_cli", *arguments],
        cwd=folder,
        env={**os.environ, "MATSCIML_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that learnt to generate crystals, and their formation energies."""
    folder = tmp_path_factory.mktemp("generation")
    matsciml(
        *("run", "--dataset", "mp", "--encoder", "cdvae", "--strategy", "additive"),
        *("--target", "structure", "--target", "formation_energy_per_atom", *TINY),
        folder=folder,
    )
    return folder


def test_generate_and_evaluate(trained: Path) -> None:
    matsciml("generate", "runs/latest", "--number", "5", *FEW, folder=trained)
    summary = json.loads((trained / "generated.extxyz.json").read_text())
    assert summary["written"] + sum(summary["rejected"].values()) == 5
    text = matsciml(
        *("evaluate-crystals", "generated.extxyz", "--reference", "runs/latest:test"),
        *("--reference-train", "runs/latest:train", "--no-coverage", "--json"),
        # A model of one epoch is off by more than the usual cut-off, with which it is refused.
        *("--energy-model", "runs/latest", "--hull-cutoff", "5"),
        folder=trained,
    )
    found = json.loads(text)
    assert found["sizes"]["generated"] == 5
    assert len(found["crystals"]) == summary["written"]
    assert found["metrics"]["composition_validity"]["reference"] > 0.5
    assert found["stability"]["label"] == "formation_energy_per_atom"
    assert (trained / "generated-evaluation" / "report.html").is_file()


def test_guided_generation(trained: Path) -> None:
    matsciml(
        *("generate", "runs/latest", "--number", "3", *FEW, "--output", "guided.extxyz"),
        *("--guide", "formation_energy_per_atom=-2", "--guide-steps", "20"),
        folder=trained,
    )
    assert json.loads((trained / "guided.extxyz.json").read_text())["targets"]


def test_reconstruct(trained: Path) -> None:
    text = matsciml(
        *("reconstruct", "runs/latest", "--dataset", "mp:test", "--limit", "3", "--json"),
        *FEW,
        folder=trained,
    )
    found = json.loads(text)
    assert found["crystals"] == 3
    assert 0.0 <= found["match_rate"] <= 1.0
