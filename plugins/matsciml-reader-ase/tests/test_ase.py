"""What is special about ASE's files; the promises of all readers are tested next door."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian
from ase.db import connect
from ase.db.row import AtomsRow
from ase.io import iread, write
from ase.io.jsonio import encode

from matsciml_core.data.readers import Frame, Naming, Record, read, to_crystals
from matsciml_core.data.readers.labels import parse_label
from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_reader_ase import database, lmdb_database
from matsciml_reader_ase.samples import ase_db_samples, aselmdb_samples, traj_samples
from matsciml_reader_ase.trajectory import frame_from_atoms


def records(path: Path, format: str | None = None) -> list[Record]:
    return list(read(path, format))


def atoms(energy: float = -1.5) -> Atoms:
    made = Atoms("Cu2O", positions=[[0, 0, 0], [2, 0, 0], [0, 2, 0]], cell=[5, 6, 7], pbc=True)
    forces = np.arange(9.0).reshape(3, 3) + 1
    made.calc = SinglePointCalculator(made, energy=energy, forces=forces)
    made.set_constraint(FixAtoms([0]))
    made.set_tags([0, 1, 2])
    return made


@pytest.mark.parametrize("name", ["mine.traj", "mine.db", "mine.json"])
def test_forces_on_atoms_that_are_held_are_kept(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".traj"):
        write(path, [atoms()])
    else:
        with connect(str(path)) as rows:
            rows.write(atoms())
    labels = [parse_label("energy=eV"), parse_label("forces=eV/A")]
    (crystal,) = to_crystals(read(path), labels, Naming())
    assert isinstance(crystal, Crystal)
    assert crystal.labels["energy"] == -1.5
    assert np.asarray(crystal.labels["forces"])[0].tolist() == [1, 2, 3]
    assert crystal.site_properties["fixed"].tolist() == [1, 0, 0]
    assert crystal.site_properties["tags"].tolist() == [0, 1, 2]


def test_frames_of_a_trajectory_say_what_atoms_of_ase_say(tmp_path: Path) -> None:
    """Those that are as the first one, and those with other elements, masses or constraints."""
    random = np.random.default_rng(0)
    heavy, charged, bare, other = atoms(), atoms(), Atoms("H"), Atoms("Cu2", pbc=[1, 0, 1])
    heavy.set_masses([2.014, None, None])
    heavy.set_momenta(random.normal(size=(3, 3)))
    heavy.set_constraint([FixAtoms([1]), FixCartesian([2], [True, False, False])])
    charged.set_initial_charges([1, -1, 0])
    charged.set_initial_magnetic_moments(random.normal(size=(3, 3)))
    charged.info = {"id": "charged", "note": "", "list": [1, 2]}
    other.cell = [3, 4, 5]
    other.calc = SinglePointCalculator(
        other, free_energy=-1, magmom=0.5, magmoms=[1, -1], stress=range(6), dipole=[0, 0, 1]
    )
    path = tmp_path / "x.traj"
    write(path, [atoms(), heavy, atoms(), charged, bare, other, heavy, atoms()])
    found = records(path)
    images: Any = iread(path, index=":")
    for index, (frame, image) in enumerate(zip(found, images, strict=True)):
        expected = frame_from_atoms(image, f"x-{index:06d}")
        assert isinstance(frame, Frame)
        assert frame.name == expected.name
        assert list(frame.pbc) == list(expected.pbc)
        for mine, theirs in (
            ({"": frame.atomic_numbers}, {"": expected.atomic_numbers}),
            ({"": frame.positions}, {"": expected.positions}),
            ({"": frame.cell}, {"": expected.cell}),
            (frame.values, expected.values),
            (frame.site_properties, expected.site_properties),
        ):
            assert mine.keys() == theirs.keys()
            for key, value in theirs.items():
                np.testing.assert_array_equal(mine[key], value)
    assert index == 7


def test_rows_in_lmdb_say_what_other_rows_say(tmp_path: Path) -> None:
    molecule = Atoms("OH", positions=[[0, 0, 0], [0, 0, 1]])
    row = AtomsRow(molecule)
    # As ase-db-backends 0.11 writes them, but that it adds a cell of zeros.
    fields = {"numbers": row.numbers, "positions": row.positions, "unique_id": "a", "user": None}
    fields |= {"key_value_pairs": {"gap": 1.5}, "data": {"charge": -1}}
    path = tmp_path / "mine.aselmdb"
    with (
        lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 24) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"1", zlib.compress(encode(fields).encode()))
    (frame,) = records(path)
    assert isinstance(frame, Frame)
    assert frame.values == {"gap": 1.5, "charge": -1}
    assert not np.any(frame.pbc)


@pytest.mark.parametrize("name", ["mine.db", "mine.json"])
@pytest.mark.parametrize("direction", [(), (3,)])
def test_what_a_row_has_of_its_atoms_is_read(tmp_path: Path, name: str, direction: Any) -> None:
    made = atoms()
    moments = np.arange(float(np.prod((3, *direction)))).reshape(3, *direction)
    made.set_initial_magnetic_moments(moments)
    made.set_masses([63.5, 200, 16])
    made.set_initial_charges([0.1, 0.2, -0.3])
    made.set_momenta(np.eye(3), apply_constraint=False)
    made.calc = SinglePointCalculator(made, energy=-1.5, dipole=[1.0, 2, 3], magmoms=moments)
    with connect(str(tmp_path / name)) as rows:
        rows.write(made)
    (frame,) = records(tmp_path / name)
    assert isinstance(frame, Frame)
    expected = {
        "masses": [63.5, 200, 16],
        "initial_charges": [0.1, 0.2, -0.3],
        "initial_magmoms": moments,
        "momenta": np.eye(3),
        "magmoms": moments,
        "dipole": [1, 2, 3],
    }
    for key, value in expected.items():
        np.testing.assert_array_equal(frame.values[key], value)
    assert frame.site_properties["fixed"].tolist() == [1, 0, 0]


def test_rows_come_in_the_order_of_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PAGE", 3)
    path = tmp_path / "mine.db"
    with connect(str(path)) as rows:
        for index in range(10):
            rows.write(atoms(float(index)), series=index)
        del rows[4]
    found = [one for one in records(path) if isinstance(one, Frame)]
    assert [one.values["series"] for one in found] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert [one.name for one in found] == [str(index) for index in (1, 2, 3, 5, 6, 7, 8, 9, 10)]


def test_a_record_that_unpacks_to_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_database, "LARGEST_RECORD", 1 << 20)
    path = tmp_path / "mine.aselmdb"
    with (
        lmdb.open(str(path), subdir=False, map_size=1 << 20) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"1", zlib.compress(b" " * (64 << 20)))
    with pytest.raises(DataError, match="more than 1 MiB"):
        records(path)


@pytest.mark.parametrize("bytes_left", [5000, 9000])
def test_a_database_in_lmdb_that_was_cut_off_does_not_end_the_process(
    tmp_path: Path, bytes_left: int
) -> None:
    (sample,) = aselmdb_samples(tmp_path)
    content = sample.path.read_bytes()
    assert len(content) > bytes_left
    sample.path.write_bytes(content[:bytes_left])
    with pytest.raises(DataError, match=r"it was cut off|cannot be read as aselmdb"):
        records(sample.path)


@pytest.mark.parametrize("name", ["x.db", "x.aselmdb", "x.traj"])
def test_a_file_that_is_something_else_is_explained(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else" * 400)
    with pytest.raises(DataError, match=rf"{name}' cannot be read"):
        records(tmp_path / name)


def test_a_broken_trajectory_names_the_structure(tmp_path: Path) -> None:
    path = tmp_path / "x.traj"
    path.write_bytes(b"- of Ulm" + bytes(100))
    with pytest.raises(DataError, match=r"Structure 0 of .*x.traj' cannot be read"):
        records(path)


@pytest.mark.parametrize("samples", [traj_samples, ase_db_samples], ids=["traj", "ase-db"])
def test_a_compressed_file_has_to_be_unpacked(tmp_path: Path, samples: object) -> None:
    import gzip

    (sample,) = samples(tmp_path)  # type: ignore[operator]
    packed = sample.path.with_name(f"{sample.path.name}.gz")
    packed.write_bytes(gzip.compress(sample.path.read_bytes()))
    with pytest.raises(DataError, match="unpack it first"):
        records(packed)


def test_values_can_be_written_as_json(tmp_path: Path) -> None:
    (sample,) = ase_db_samples(tmp_path)
    frames = [one for one in records(sample.path) if isinstance(one, Frame)]
    assert json.dumps(frames[0].values["energy"]) == "-1.5"
