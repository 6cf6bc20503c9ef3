"""What is special about these files; the promises of all readers are tested next door."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Species, Structure

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Record, find_reader, read
from matsciml_core.errors import DataError
from matsciml_core.registry.manager import build_registry
from matsciml_reader_pymatgen.detection import is_structure_json
from matsciml_reader_pymatgen.samples import poscar_samples
from matsciml_reader_pymatgen.text_files import name_of_file

REGISTRY = build_registry(only=["matsciml-reader-pymatgen"])
SALT = Structure(Lattice.cubic(4.0), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def records(path: Path, workers: int = 1) -> list[Record]:
    return list(read(path, registry=REGISTRY, workers=workers))


def names(found: list[Record]) -> list[str]:
    return [one.name if isinstance(one, Frame) else one.id for one in found]


def write_cifs(folder: Path, *files: str) -> None:
    for name in files:
        SALT.to(str(folder / name), fmt="cif")


class TestFolders:
    def test_of_cif(self, tmp_path: Path) -> None:
        write_cifs(tmp_path, "b.cif", "a.cif")
        (tmp_path / "a.cif").rename(tmp_path / "a.CIF")
        (tmp_path / "c.cif.gz").write_bytes(gzip.compress((tmp_path / "b.cif").read_bytes()))
        (tmp_path / "notes.txt").write_text("not a structure")
        found = records(tmp_path)
        assert names(found) == ["a", "b", "c", "notes.txt"]
        assert [isinstance(one, Frame) for one in found] == [True] * 3 + [False]

    def test_of_folders_with_a_poscar_each(self, tmp_path: Path) -> None:
        for name in ("run-2", "run-1"):
            (tmp_path / name).mkdir()
            SALT.to(str(tmp_path / name / "POSCAR"), fmt="poscar")
        assert names(records(tmp_path)) == ["run-1", "run-2"]

    @pytest.mark.slow
    def test_by_several_processes(self, tmp_path: Path) -> None:
        write_cifs(tmp_path, *(f"{index:02d}.cif" for index in range(40)))
        (tmp_path / "20.cif").write_text("data_\nnothing\n")
        alone, together = records(tmp_path), records(tmp_path, workers=2)
        assert names(alone) == names(together) == [f"{index:02d}" for index in range(40)]
        assert isinstance(together[20], Rejection)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("salt.cif", "salt"),
        ("salt.1.cif.gz", "salt.1"),
        ("run/POSCAR", "run"),
        ("run/CONTCAR.gz", "run"),
        ("run/POSCAR_relaxed", "POSCAR_relaxed"),
        ("run/POSCAR.vasp", "run"),
        ("a.b.vasp", "a.b"),
    ],
)
def test_names(tmp_path: Path, file: str, name: str) -> None:
    assert name_of_file(InputFile(tmp_path / file)) == name


def test_a_broken_cif_is_rejected(tmp_path: Path) -> None:
    write_cifs(tmp_path, "a.cif")
    (tmp_path / "bad.cif").write_text("data_\nnothing\n")
    (tmp_path / "empty.cif").write_text("")
    found = records(tmp_path)
    assert [type(one) for one in found] == [Frame, Rejection, Rejection]
    assert [one.reason for one in found if isinstance(one, Rejection)] == [
        "The CIF has no cell: '…' is missing.",
        "There is no structure.",
    ]


def test_a_disordered_cif_is_rejected(tmp_path: Path) -> None:
    shared = Structure(Lattice.cubic(4.0), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]])
    shared.to(str(tmp_path / "shared.cif"))
    (rejection,) = records(tmp_path / "shared.cif")
    assert isinstance(rejection, Rejection)
    assert rejection.reason.startswith("A site holds several species")


def test_selective_dynamics_and_scale_of_a_contcar(tmp_path: Path) -> None:
    _, sample, _ = poscar_samples(tmp_path)
    (frame,) = records(sample.path)
    assert isinstance(frame, Frame)
    assert np.asarray(frame.positions).tolist() == [[0, 0, 2], [0, 0, 4], [0, 0, 6]]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (json.dumps(SALT.as_dict()).encode(), True),
        (json.dumps([SALT.as_dict()]).encode(), True),
        (json.dumps([{"structure": SALT.as_dict()}]).encode(), False),
        (json.dumps({"a": SALT.as_dict()}).encode(), False),
        (b"", False),
    ],
)
def test_json_is_told_by_its_content(head: bytes, expected: bool) -> None:
    assert is_structure_json(Path("x.json"), head) is expected


def test_the_structure_itself_comes_before_tables_of_structures(tmp_path: Path) -> None:
    path = tmp_path / "salt.json"
    SALT.to(str(path))
    assert find_reader(path, build_registry()).name == "pymatgen-json"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"@module": "pymatgen.core.structure"}]', "The structure is no pymatgen dictionary."),
        ('[{"@module": "pymatgen.core.structure"}, 7]', "The entry is no JSON object."),
    ],
)
def test_json_that_is_no_structure_is_rejected(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    rejection = records(path)[-1]
    assert isinstance(rejection, Rejection)
    assert rejection.reason == reason


def test_what_pymatgen_keeps_in_species_and_of_the_whole_is_read(tmp_path: Path) -> None:
    species = [Species("Fe", 3, spin=5), Species("Fe", 3, spin=-5), "O"]
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0, 0]]
    structure = Structure(
        Lattice.cubic(4), species, places, charge=6, properties={"total_magnetization": 0.5}
    )
    (tmp_path / "one.json").write_text(json.dumps(structure.as_dict()))
    (frame,) = records(tmp_path / "one.json")
    assert isinstance(frame, Frame)
    assert frame.values == {
        "spin": [5, -5, None],
        "oxidation_state": [3, 3, None],
        "charge": 6,
        "total_magnetization": 0.5,
    }


def test_json_that_breaks_off_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(SALT.as_dict())[:-20])
    with pytest.raises(DataError, match="no valid JSON"):
        records(path)
