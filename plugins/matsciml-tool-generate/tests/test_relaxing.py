"""Relaxing generated crystals: where they end, what fails, and what is not done twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core import Crystal, build_registry
from matsciml_core.convert import from_ase
from matsciml_core.model.trained import load
from matsciml_core.testing.crystals import sodium_chloride
from matsciml_tool_generate.reference import read_file
from matsciml_tool_generate.relaxing import FAILED, CrystalRelaxer, displacement, relax_all
from matsciml_util_potential.testing.force_models import distorted_alloy, force_model_writer


@pytest.fixture
def relaxer(plugin_folder: Any, tmp_path: Path) -> CrystalRelaxer:
    """A potential for copper and gold."""
    folder = force_model_writer(plugin_folder)(tmp_path / "potential")
    registry = build_registry(path=plugin_folder.search)
    model = load(folder, device="cpu", registry=registry)
    return CrystalRelaxer(model, steps=60, largest_force=0.05)


@pytest.fixture
def alloy() -> Crystal:
    return from_ase(distorted_alloy(), id="alloy")


def test_displacement_is_of_the_atoms_alone(alloy: Crystal) -> None:
    shifted = replace(alloy, positions=alloy.positions + np.array([0.3, -0.2, 5.0]))
    assert displacement(alloy, shifted) == pytest.approx(0.0, abs=1e-12)
    strained = Crystal.from_fractional(
        id="s",
        atomic_numbers=alloy.atomic_numbers,
        fractional=alloy.fractional + np.array([1.0, 0, 0]),
        cell=alloy.cell * 1.1,
    )
    assert displacement(alloy, strained) == pytest.approx(0.0, abs=1e-12)
    positions = alloy.positions.copy()
    positions[0] += [0.0, 0.0, 0.4]
    n = alloy.num_atoms
    # One of n atoms moves by d: after the mean is taken off, d² (n − 1)/n over n atoms.
    expected = 0.4 * np.sqrt((n - 1) / n / n)
    assert displacement(alloy, replace(alloy, positions=positions)) == pytest.approx(expected)


def test_relaxed_crystals_and_counts(
    relaxer: CrystalRelaxer, alloy: Crystal, tmp_path: Path
) -> None:
    output = tmp_path / "relaxed.extxyz"
    # The potential has never seen sodium.
    crystals = {"alloy": alloy, "salt": replace(sodium_chloride(), id="salt")}
    found = relax_all(crystals, relaxer, tmp_path, output, rejected={FAILED: 1, "other": 2})
    assert (found.written, found.failed) == (1, 1)
    (relaxed,) = read_file(output, build_registry(only=[]))
    assert relaxed.crystal is not None
    assert relaxed.name == "alloy"
    assert displacement(alloy, relaxed.crystal) == pytest.approx(found.median_rmsd, abs=1e-6)
    assert found.median_rmsd > 0.01
    assert relaxed.labels["steps"] <= 60
    data = json.loads((tmp_path / "relaxed.extxyz.json").read_text())
    assert data["rejected"] == {FAILED: 2, "other": 2}
    assert data["converged"] == found.converged


def test_what_is_done_is_not_done_again(
    relaxer: CrystalRelaxer,
    alloy: Crystal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crystals = {"alloy": alloy}
    first = relax_all(crystals, relaxer, tmp_path, tmp_path / "a.extxyz")

    def fail(crystal: Crystal) -> Any:
        raise AssertionError

    monkeypatch.setattr(relaxer, "relax", fail)
    again = relax_all(crystals, relaxer, tmp_path, tmp_path / "a.extxyz")
    assert again == first


def test_the_command(
    cli: Callable[..., Any],
    write_run: Callable[..., Path],
    plugin_folder: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    force_model_writer(plugin_folder)(tmp_path / "potential")
    arguments = ("generate", str(write_run()), "--number", "3", "--levels", "2", "--steps", "1")
    outcome = cli(*arguments, "--relax", "potential")
    # The model generates rock salt, which the potential does not know.
    assert "Relaxed: 0 of 3 converged, 0 not, 3 failed" in outcome.out
    assert Path("generated-relaxed.extxyz").read_text() == ""
    assert not Path("generated.extxyz.partial").exists()
    outcome = cli(*arguments, "--relax", "run", "--replace")
    assert outcome.code == 2
    assert "no total energy" in outcome.error
