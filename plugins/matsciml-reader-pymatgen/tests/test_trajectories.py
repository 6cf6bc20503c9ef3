"""Trajectories that pymatgen wrote: every frame with its own cell, values and order of sites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monty.serialization import dumpfn
from pymatgen.core import Lattice, Molecule, Structure
from pymatgen.core.trajectory import Trajectory

from matsciml_core.data.readers import Frame, ImportRequest, parse_files, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry

REGISTRY = build_registry(only=["matsciml-reader-pymatgen"])
FORCES = np.array([[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])


def structures() -> list[Structure]:
    """Return chlorine before sodium in cells that grow, atoms passing through a face."""
    return [
        Structure(
            Lattice([[4 + step, 0, 0], [1, 4, 0], [0, 0.5, 5]]),
            ["Cl", "Na"],
            [[0.9 + 0.2 * step, 0, 0], [0.5, 0.5, 0.4]],
            site_properties={"magmom": [0.0, float(step)]},
        )
        for step in range(3)
    ]


def trajectory(**options: Any) -> Trajectory:
    properties = [
        {"energy": -1.0 - step, "forces": FORCES * step, "stress": np.diag([10.0, 0, 0])}
        for step in range(3)
    ]
    return Trajectory.from_structures(structures(), frame_properties=properties, **options)


def records(path: Path, made: Trajectory) -> list[Frame]:
    dumpfn(made, path)
    frames = list(read(path, registry=REGISTRY))
    assert all(isinstance(frame, Frame) for frame in frames), frames
    return frames


@pytest.mark.parametrize("displacements", [False, True])
def test_frames_have_their_own_cells_and_values(tmp_path, displacements):
    made = trajectory(constant_lattice=False)
    if displacements:
        made.to_displacements()
    frames = records(tmp_path / "run.json", made)
    for step, (frame, structure) in enumerate(zip(frames, structures(), strict=True)):
        assert frame.name == f"run-{step:06d}"
        assert list(frame.atomic_numbers) == [17, 11]
        np.testing.assert_allclose(frame.cell, structure.lattice.matrix)
        apart = (frame.positions - structure.cart_coords) @ np.linalg.inv(frame.cell)
        np.testing.assert_allclose(apart, np.round(apart), atol=1e-9)
        assert frame.values["energy"] == -1.0 - step
        np.testing.assert_allclose(frame.values["forces"], FORCES * step)
        assert frame.values["magmom"] == [0.0, step]


def test_a_constant_lattice_is_that_of_all_frames(tmp_path):
    frames = records(tmp_path / "run.json", trajectory(constant_lattice=True))
    assert len(frames) == 3
    assert all(frame.cell[0, 0] == 4 for frame in frames)


def test_a_stress_is_declared_and_converted(tmp_path):
    path = tmp_path / "run.json"
    dumpfn(trajectory(constant_lattice=False), path)
    request = ImportRequest(paths=(path,), labels=("energy=eV", "forces=eV/A", "stress=kbar:vasp"))
    crystals = list(parse_files(request, REGISTRY).source(0))
    assert [crystal.labels["energy"] for crystal in crystals] == [-1, -2, -3]
    assert crystals[1].labels["stress"][0, 0] == pytest.approx(-1 / 160.21766208)


def test_molecules_are_in_angstrom_and_open(tmp_path):
    molecules = [Molecule(["O", "H"], [[0, 0, 0], [0, 0, 0.9 + 0.1 * step]]) for step in range(2)]
    frames = records(tmp_path / "run.json", Trajectory.from_molecules(molecules))
    assert frames[1].positions[1].tolist() == [0, 0, 1.0]
    assert not np.any(frames[1].pbc)
    assert not np.any(frames[1].cell)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coords_are_displacement": True, "base_positions": None}, "not where they begin"),
        ({"lattice": np.zeros((2, 3, 3)).tolist()}, "3 frames, and lattices of the shape"),
        ({"coords": np.zeros((3, 4, 3)).tolist()}, "2 species, and coordinates of the shape"),
        ({"species": None}, "lacks its species, coordinates or lattices"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, change, message):
    path = tmp_path / "run.json"
    dumpfn(trajectory(constant_lattice=False), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        list(read(path, registry=REGISTRY))
