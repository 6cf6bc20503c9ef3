"""XML of Quantum ESPRESSO: units, signs, and structures that energies belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, parse_files, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry
from matsciml_reader_ase.abinit import BOHR, HARTREE
from matsciml_reader_ase.espresso_samples import ENERGY, NEXT, POSITIONS, STRESS, write_dynamics

REGISTRY = build_registry(only=["matsciml-reader-ase"])
RYDBERG_KBAR = 147105.08
"""kbar in Ry/bohr³, as pw.x prints both."""


def records(path: Path, text: str | None = None) -> list[Any]:
    if text is not None:
        path.write_text(text)
    return list(read(path, registry=REGISTRY))


def test_the_last_step_of_dynamics_keeps_the_positions_of_its_energy(tmp_path: Path) -> None:
    path = tmp_path / "si.xml"
    write_dynamics(path, 3)
    frames = records(path)
    assert [frame.name for frame in frames] == ["si-000000", "si-000001", "si-000002"]
    np.testing.assert_allclose(frames[2].positions, POSITIONS[0] * BOHR)
    assert not np.allclose(frames[2].positions, NEXT * BOHR)
    assert [("stress" in frame.values) for frame in frames] == [False, False, True]


def test_the_stress_has_the_other_sign_of_what_is_printed(tmp_path: Path) -> None:
    """pw.x prints 2 × 1.25e-3 Ry/bohr³ as 367.8 kbar, positive under compression."""
    path = tmp_path / "si.xml"
    write_dynamics(path, 1)
    request = ImportRequest(paths=(path,), labels=("energy", "forces", "stress"))
    (crystal,) = parse_files(request, REGISTRY).source(0)
    printed = 2 * STRESS * RYDBERG_KBAR
    np.testing.assert_allclose(crystal.labels["stress"] * 1602.1766, -printed, rtol=1e-5)
    assert crystal.labels["energy"] == pytest.approx(ENERGY * HARTREE)
    assert crystal.site_properties["held_axes"].tolist() == [4, 0]


def test_a_last_calculation_with_another_energy_is_a_record_of_its_own(tmp_path: Path) -> None:
    """As a relaxation of the cell ends, at the last structure."""
    path = tmp_path / "si.xml"
    write_dynamics(path, 1, calculation="vc-relax")
    head, middle, tail = path.read_text().partition("<output>")
    energy = f"{ENERGY:.15e}"
    first, second = records(path, head + middle + tail.replace(energy, "-7.755e0"))
    assert second.values["energy"] == pytest.approx(-7.755 * HARTREE)
    assert ("stress" in first.values, "stress" in second.values) == (False, True)


def test_a_single_point_has_no_steps(tmp_path: Path) -> None:
    path = tmp_path / "si.xml"
    write_dynamics(path, 0, calculation="scf")
    (frame,) = records(path)
    np.testing.assert_allclose(frame.positions, NEXT * BOHR)
    assert "stress" in frame.values


def test_unfinished_runs_keep_their_steps(tmp_path: Path) -> None:
    path = tmp_path / "si.xml"
    write_dynamics(path, 3)
    text = path.read_text()
    third = text.index('<step n_step="3">')
    for end in (third + 400, text.index("<output>") + 300):
        *frames, torn = records(path, text[:end])
        assert len(frames) == (2 if end < text.index("<output>") else 3)
        assert all(isinstance(frame, Frame) for frame in frames)
        assert isinstance(torn, Rejection)
    with pytest.raises(DataError, match="no complete step"):
        records(path, text[: text.index("<step") + 200])


def test_steps_without_convergence_or_element_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "si.xml"
    write_dynamics(path, 2)
    text = path.read_text()
    first, second = records(path, text.replace("achieved>true", "achieved>false", 1))
    assert "did not converge" in first.reason
    assert isinstance(second, Frame)
    first, _ = records(path, text.replace('"Si1"', '"X1"'))
    assert "'X1' is no element" in (first.detail or first.reason)
    first, _ = records(path, text.replace('"Si1"', '"C_s"'))
    assert list(first.atomic_numbers) == [14, 6]


def test_eigenvalues_alone_are_no_energies(tmp_path: Path) -> None:
    path = tmp_path / "si.xml"
    write_dynamics(path, 1, calculation="bands")
    with pytest.raises(DataError, match="calculates no energy; name the file of the 'scf' run"):
        records(path)
