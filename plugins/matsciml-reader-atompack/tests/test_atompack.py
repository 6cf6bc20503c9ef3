"""Atompack: what its library and ASE's bridge write is read, and a torn file is never empty."""

from __future__ import annotations

from pathlib import Path

import atompack
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from matsciml_core.data.readers import Frame, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.reader.writing import TARGETS, example_crystals
from matsciml_reader_atompack.samples import samples
from matsciml_reader_atompack.writer import write_crystals

REGISTRY = build_registry(only=["matsciml-reader-atompack"])


def frames(path: Path) -> list[Frame]:
    records = list(read(path, registry=REGISTRY))
    assert all(isinstance(record, Frame) for record in records)
    return records


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.97])
def test_a_torn_file_is_refused_and_not_empty(tmp_path: Path, kept: float) -> None:
    (sample,) = samples(tmp_path)
    content = sample.path.read_bytes()
    sample.path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match=r"no whole file|breaks off"):
        frames(sample.path)


def test_what_its_bridge_takes_from_ase_is_read(tmp_path: Path) -> None:
    atoms = Atoms("NaCl", [[0, 0, 0], [2, 2, 2]], cell=np.eye(3) * 4, pbc=(True, True, False))
    stress = np.arange(6.0) / 100
    forces = np.array([[0.5, 0, 0], [-0.5, 0, 0]])
    atoms.calc = SinglePointCalculator(atoms, energy=-6.5, forces=forces, stress=stress)
    database = atompack.Database(str(tmp_path / "a.atp"))
    database.add_molecule(atompack.from_ase(atoms))
    database.flush()
    (frame,) = frames(tmp_path / "a.atp")
    assert frame.values["energy"] == -6.5
    assert np.asarray(frame.pbc).tolist() == [True, True, False]
    np.testing.assert_allclose(frame.values["forces"], forces)
    np.testing.assert_allclose(np.asarray(frame.values["stress"])[1, 2], stress[3])


def test_its_library_reads_what_is_written(tmp_path: Path) -> None:
    crystals = example_crystals()
    write_crystals(crystals, TARGETS, tmp_path / "b.atp")
    database = atompack.Database.open(str(tmp_path / "b.atp"))
    assert len(database) == len(crystals)
    for index, crystal in enumerate(crystals):
        atoms = database[index].to_ase()
        np.testing.assert_array_equal(atoms.positions, crystal.positions)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), crystal.labels["stress"])
