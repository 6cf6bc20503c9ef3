"""CASTEP's .md and .geom: atomic units, a stress with a kinetic part, and steps that are torn."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry

REGISTRY = build_registry(only=["matsciml-reader-ase"])


def steps() -> list[Atoms]:
    """Return copper whose atoms move fast, so that they matter in the stress."""
    frames = []
    for seed in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.set_velocities(np.full((4, 3), 0.1) * [[1, 2, 3]])
        atoms.calc = EMT()
        atoms.get_stress()
        frames.append(atoms)
    return frames


@pytest.mark.parametrize("kind", ["md", "geom"])
def test_units_and_the_kinetic_part_of_the_stress(tmp_path, kind):
    path = tmp_path / f"run.{kind}"
    write(path, steps(), format=f"castep-{kind}")
    records = list(read(path, registry=REGISTRY))
    for index, (frame, atoms) in enumerate(zip(records, steps(), strict=True)):
        assert frame.name == f"run-{index:06d}"
        np.testing.assert_allclose(frame.cell, atoms.cell.array, rtol=1e-9)
        assert frame.values["free_energy"] == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(frame.values["forces"], atoms.get_forces(), atol=1e-9)
        assert frame.units["forces"] == "eV/A"
        if kind == "md":
            np.testing.assert_allclose(frame.values["stress"], atoms.get_stress(), atol=1e-9)
            np.testing.assert_allclose(frame.values["momenta"], atoms.get_momenta(), rtol=1e-6)
            # The file numbers steps in atomic units of time, 0.0241888 fs.
            assert frame.values["time"] == pytest.approx(index * 0.0241888, rel=1e-4)


def test_a_torn_step_is_rejected_and_a_first_one_refused(tmp_path):
    path = tmp_path / "run.md"
    write(path, steps(), format="castep-md")
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    for cut in (2, 6, 12):
        path.write_text("".join(lines[:-cut]))
        first, second, torn = read(path, registry=REGISTRY)
        assert isinstance(first, Frame)
        assert isinstance(second, Frame)
        assert isinstance(torn, Rejection)
    path.write_text("".join(lines[:12]))
    with pytest.raises(DataError, match="no complete step"):
        list(read(path, registry=REGISTRY))
