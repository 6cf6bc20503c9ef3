"""LMDB files of the Open MatSciML Toolkit are converted without its packages."""

from __future__ import annotations

import pickle
from pathlib import Path

import lmdb
import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.data import Rejection
from matsciml_core.data.readers import add_dataset
from matsciml_core.data.store.crystal_store import CrystalStore
from matsciml_core.errors import DataError
from matsciml_data_mp.toolkit import crystal_of, read_toolkit


class Inert:
    """What is left of an object of another package."""

    def __init__(self, **parts):
        self.__dict__.update(parts)


def site(place, **amounts):
    """A site as it is left of pymatgen's."""
    data = {Inert(arguments=(element,)): n for element, n in amounts.items()}
    species = Inert(state={"_data": data})
    return Inert(state={"_frac_coords": np.array(place), "_species": species})


def record(**changes):
    lattice = Inert(state={"_matrix": 4.0 * np.eye(3)})
    sites = [site([0.0, 0.0, 0.0], Cs=1), site([0.5, 0.5, 0.5], Cl=1)]
    symmetry = Inert(state={"__dict__": {"number": 221}})
    return {
        "structure": Inert(state={"_lattice": lattice, "_sites": sites}),
        "symmetry": symmetry,
        "formation_energy_per_atom": -1.5,
        "band_gap": None,
        "efermi": 0.25,
        "is_stable": True,
        **changes,
    }


def test_a_record_is_read_with_what_is_missing_missing():
    crystal = crystal_of("7", record())
    assert isinstance(crystal, Crystal)
    assert crystal.id == "toolkit-7"
    assert crystal.atomic_numbers.tolist() == [55, 17]
    assert crystal.positions.tolist() == [[0, 0, 0], [2, 2, 2]]
    assert crystal.labels == {
        "formation_energy_per_atom": -1.5,
        "fermi_energy": 0.25,
        "is_stable": 1.0,
        "space_group": 220.0,
    }


@pytest.mark.parametrize(
    "material_id", ["mp-12", Inert(state={"parts": ("mp", 12), "string": "mp-12"})]
)
def test_an_id_is_used_where_there_is_one(material_id):
    assert crystal_of("7", record(material_id=material_id)).id == "mp-12"


@pytest.mark.parametrize("amounts", [{"Fe": 0.5, "Co": 0.5}, {"Fe": 0.5}, {"X": 1}])
def test_a_site_that_is_not_one_atom_is_no_crystal(amounts):
    one = record()
    one["structure"].state["_sites"][0] = site([0.0, 0.0, 0.0], **amounts)
    rejected = crystal_of("7", one)
    assert isinstance(rejected, Rejection)
    assert "several species" in rejected.reason


@pytest.mark.parametrize("broken", [{"structure": None}, {"symmetry": 3}, {"efermi": "high"}])
def test_an_incomplete_record_is_rejected(broken):
    assert crystal_of("7", record(**broken)) == Rejection("7", "The record is incomplete.")


def write(path: Path, *records: object) -> Path:
    with (
        lmdb.open(str(path), subdir=False, lock=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        for number, one in enumerate(records):
            transaction.put(str(number).encode(), pickle.dumps(one))
    return path


def test_another_file_is_rejected(tmp_path):
    with pytest.raises(DataError, match="no crystals of the Materials Project"):
        read_toolkit(write(tmp_path / "x.lmdb", {"pos": [1.0]}, {"pos": [2.0]}))


def test_a_hostile_file_does_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    with pytest.raises(DataError, match="nothing of it was run"):
        read_toolkit(write(tmp_path / "x.lmdb", Hostile()))
    assert not (tmp_path / "touched").exists()


def test_real_toolkit_files_are_converted(tmp_path, monkeypatch):
    file = Path(__file__).parents[4] / "shared" / "data" / "toolkit-lmdb" / "materials_project.lmdb"
    if not file.exists():
        pytest.skip("needs ../shared/data/toolkit-lmdb, which is not part of the repository")
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    manifest = add_dataset("old", read_toolkit(file))
    assert (manifest.records, manifest.accepted) == (100, 100)
    store = CrystalStore(tmp_path / "datasets" / "old" / "store")
    assert list(store.targets) == [
        "formation_energy_per_atom",
        "is_stable",
        "band_gap",
        "fermi_energy",
        "space_group",
        "is_metal",
        "is_magnetic",
    ]
    crystal = store.read([0]).crystals()[0]
    # Ac at (0.655046, 0.655046, 0) of a cell with a = (2.001328, ∓3.466402, 0) Å.
    assert crystal.positions[0] == pytest.approx([2 * 0.655046 * 2.001328, 0.0, 0.0])
    assert crystal.labels["formation_energy_per_atom"] == 0.015585797500004142
    assert crystal.labels["fermi_energy"] == 6.15524333
    assert crystal.labels["space_group"] == 151  # P3_121 is number 152
    assert 5 < manifest.volume_per_atom[0] < manifest.volume_per_atom[1] < 100
