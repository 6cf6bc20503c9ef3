"""Every format gives the same crystals: two of them, written by the tools that people use."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.readers.formats import READERS, detect_format, read_frames
from matsciml_core.data.readers.frames import Frame, Naming, to_crystals
from matsciml_core.data.readers.labels import parse_label
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.crystal import Crystal

CELL = np.array([[4.0, 0.0, 0.0], [0.5, 4.2, 0.0], [0.0, -0.3, 5.0]])
FRACTIONAL = {"a": [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], "b": [[0.1, 0.0, 0.0], [0.5, 0.6, 0.5]]}
NUMBERS = {"a": [11, 17], "b": [12, 8]}
SYMBOLS = {11: "Na", 17: "Cl", 12: "Mg", 8: "O"}
ENERGY = {"a": -1.5, "b": 2.25}
FORCES = {name: np.arange(6).reshape(2, 3) * scale for name, scale in (("a", 0.1), ("b", -0.2))}
NAMES = ("a", "b")


def structure(name: str) -> dict:
    """A structure as pymatgen's ``as_dict`` has it."""
    return {
        "@class": "Structure",
        "lattice": {"matrix": CELL.tolist(), "pbc": [True, True, True]},
        "sites": [
            {"species": [{"element": SYMBOLS[z], "occu": 1}], "abc": abc, "label": SYMBOLS[z]}
            for z, abc in zip(NUMBERS[name], FRACTIONAL[name], strict=True)
        ],
    }


def pymatgen_structure(name: str):
    from pymatgen.core import Structure

    return Structure.from_dict(structure(name))


def ase_atoms(name: str):
    ase = pytest.importorskip("ase", reason="needs ASE: pip install ase")
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.constraints import FixAtoms

    atoms = ase.Atoms(numbers=NUMBERS[name], scaled_positions=FRACTIONAL[name], cell=CELL, pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=ENERGY[name], forces=FORCES[name])
    atoms.set_constraint(FixAtoms([0]))
    atoms.info["id"] = name
    return atoms


def write_extxyz(folder: Path) -> Path:
    from ase.io import write

    path = folder / "mine.extxyz"
    write(path, [ase_atoms(name) for name in NAMES])
    return path


def write_ase_db(folder: Path) -> Path:
    from ase.db import connect

    path = folder / "mine.db"
    with connect(str(path)) as database:
        for name in NAMES:
            database.write(ase_atoms(name), material_id=name)
    return path


def write_aselmdb(folder: Path) -> Path:
    import lmdb
    from ase.db.row import AtomsRow
    from ase.io.jsonio import encode

    path = folder / "mine.aselmdb"
    kept = ("numbers", "positions", "cell", "pbc", "energy", "forces")
    with (
        lmdb.open(str(path), subdir=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        for number, name in enumerate(NAMES, 1):
            row = AtomsRow(ase_atoms(name))
            more = {"constraints": row.constraints, "data": {"id": name}}
            text = encode({**{key: row[key] for key in kept}, **more})
            transaction.put(str(number).encode(), zlib.compress(text.encode()))
        transaction.put(b"nextid", zlib.compress(b"3"))
    return path


def write_cif_folder(folder: Path) -> Path:
    for name in NAMES:
        pymatgen_structure(name).to(str(folder / f"{name}.cif"))
    return folder


def write_poscar_folder(folder: Path) -> Path:
    for name in NAMES:
        (folder / name).mkdir()
        pymatgen_structure(name).to(str(folder / name / "POSCAR"), fmt="poscar")
    return folder


def write_csv(folder: Path) -> Path:
    path = folder / "mine.csv"
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["", "material_id", "cif", "energy"])
        for number, name in enumerate(NAMES):
            table.writerow([number, name, pymatgen_structure(name).to(fmt="cif"), ENERGY[name]])
    return path


def write_json(folder: Path) -> Path:
    path = folder / "mine.json"
    path.write_text(
        json.dumps([{"id": n, "structure": structure(n), "energy": ENERGY[n]} for n in NAMES])
    )
    return path


def write_mapping(folder: Path) -> Path:
    path = folder / "mine.json"
    path.write_text(
        json.dumps({n: {"structure": structure(n), "data": {"energy": ENERGY[n]}} for n in NAMES})
    )
    return path


def write_matbench(folder: Path) -> Path:
    path = folder / "mine.json.gz"
    rows = [[structure(name), ENERGY[name]] for name in NAMES]
    data = {"index": list(NAMES), "columns": ["structure", "energy"], "data": rows}
    path.write_bytes(gzip.compress(json.dumps(data).encode()))
    return path


def write_json_lines(folder: Path) -> Path:
    path = folder / "mine.jsonl"
    lines = [json.dumps({"id": n, "structure": structure(n), "energy": ENERGY[n]}) for n in NAMES]
    path.write_text("\n".join(lines) + "\n")
    return path


WRITERS = {
    "extxyz": write_extxyz,
    "ase-db": write_ase_db,
    "aselmdb": write_aselmdb,
    "cif": write_cif_folder,
    "poscar": write_poscar_folder,
    "csv": write_csv,
    "json": write_json,
    "json mapping": write_mapping,
    "json matbench": write_matbench,
    "jsonl": write_json_lines,
}
WITH_FORCES = ("extxyz", "ase-db", "aselmdb")
WITHOUT_ENERGY = ("cif", "poscar")


def crystals(path: Path, *labels: str, workers: int = 1):
    frames = read_frames(path, detect_format(path), workers)
    return list(to_crystals(frames, [parse_label(text) for text in labels], Naming()))


@pytest.mark.parametrize("form", WRITERS)
def test_a_format_gives_the_crystals_and_their_labels(form, tmp_path):
    if form in ("extxyz", "ase-db", "aselmdb"):
        pytest.importorskip("ase", reason="needs ASE: pip install ase")
    path = WRITERS[form](tmp_path)
    assert detect_format(path) == form.split()[0]
    labels = [] if form in WITHOUT_ENERGY else ["energy=eV"]
    labels += ["forces=eV/A"] if form in WITH_FORCES else []
    found = crystals(path, *labels)
    assert [one.id for one in found] == list(NAMES)
    for name, crystal in zip(NAMES, found, strict=True):
        assert crystal.atomic_numbers.tolist() == NUMBERS[name]
        # A CIF has lengths and angles only: the cell may be turned, what is inside it may not.
        assert crystal.cell @ crystal.cell.T == pytest.approx(CELL @ CELL.T, abs=1e-5)
        assert crystal.fractional % 1 == pytest.approx(np.array(FRACTIONAL[name]), abs=1e-6)
        if form not in WITHOUT_ENERGY:
            assert crystal.labels["energy"] == ENERGY[name]
        if form in WITH_FORCES:
            # Atom 0 is fixed; its force is kept all the same.
            assert crystal.labels["forces"] == pytest.approx(FORCES[name])
            assert crystal.site_properties["fixed"].tolist() == [1] + [0] * (crystal.num_atoms - 1)


def test_every_reader_is_tested():
    assert {name.split()[0] for name in WRITERS} == READERS.keys()


@pytest.mark.slow
def test_several_processes_give_the_same_in_the_same_order(tmp_path):
    path = write_csv(tmp_path)
    alone, together = (crystals(path, "energy=eV", workers=workers) for workers in (1, 2))
    assert [one.id for one in alone] == [one.id for one in together]
    assert all(
        np.array_equal(one.positions, other.positions)
        for one, other in zip(alone, together, strict=True)
    )


def test_what_cannot_be_read_is_rejected_and_the_rest_is_kept(tmp_path):
    disordered = structure("a")
    disordered["sites"][0]["species"] = [{"element": "Na", "occu": 0.5}]
    unknown = structure("a")
    unknown["sites"][0]["species"] = [{"element": "vacancy", "occu": 1}]
    entries = [
        {"id": "1", "structure": disordered, "energy": 1},
        {"id": "2", "structure": unknown, "energy": 1},
        {"id": "3", "energy": 1},
        {"id": "4", "structure": {"sites": []}},
        {"id": "5", "structure": structure("a"), "energy": "high"},
        {"id": "6", "structure": structure("a"), "energy": 1},
        "7",
    ]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(entries))
    found = crystals(path, "energy=eV")
    assert [type(one) for one in found] == [Rejection] * 5 + [Crystal, Rejection]
    assert [one.reason for one in found if isinstance(one, Rejection)] == [
        "A site holds several species, or is only partly occupied.",
        "A site holds no chemical element.",
        "The entry has no structure.",
        "The structure is no pymatgen dictionary.",
        "The label '…' is no number.",
        "The entry is no JSON object.",
    ]


def test_a_broken_cif_is_rejected(tmp_path):
    (tmp_path / "bad.cif").write_text("data_\nnothing\n")
    write_cif_folder(tmp_path)
    found = crystals(tmp_path)
    assert [type(one) for one in found] == [Crystal, Crystal, Rejection]
    assert found[2].id == "bad"


def test_a_broken_extended_xyz_names_the_structure(tmp_path):
    pytest.importorskip("ase", reason="needs ASE: pip install ase")
    path = write_extxyz(tmp_path)
    path.write_text(path.read_text() + "3\nLattice=\n")
    with pytest.raises(DataError, match=r"Structure 2 of .*mine.extxyz"):
        crystals(path)


@pytest.mark.parametrize(
    ("name", "message"), [("absent.csv", "does not exist"), ("x.dat", "give --format")]
)
def test_an_unknown_file_is_explained(tmp_path, name, message):
    (tmp_path / "x.dat").touch()
    with pytest.raises(ConfigError, match=message):
        detect_format(tmp_path / name)


def test_an_empty_folder_and_an_unknown_format_are_explained(tmp_path):
    with pytest.raises(ConfigError, match="neither CIF nor POSCAR"):
        detect_format(tmp_path)
    with pytest.raises(ConfigError, match="no format 'excel'"):
        read_frames(tmp_path, "excel")


def test_a_table_without_structures_is_explained(tmp_path):
    (tmp_path / "x.csv").write_text("id,energy\n1,2\n")
    with pytest.raises(DataError, match="no column with structures"):
        crystals(tmp_path / "x.csv")


def test_ids_come_from_a_column_and_trajectories_are_their_first_part():
    frame = Frame(
        name="f-7", atomic_numbers=[1], positions=[[0, 0, 0]], cell=CELL, values={"k": 3, "t": "x"}
    )
    assert Naming().name(frame) == "f-7"
    assert Naming(column="k").name(frame) == "3"
    assert Naming(trajectory="t").name(frame) == "x/f-7"


@pytest.mark.parametrize(
    ("separator", "encoding"), [(",", "utf-8"), (";", "utf-8"), ("\t", "utf-8"), (";", "utf-8-sig")]
)
def test_tables_of_spreadsheets_are_read(tmp_path, separator, encoding):
    path = tmp_path / "mine.csv"
    with path.open("w", newline="", encoding=encoding) as stream:
        table = csv.writer(stream, delimiter=separator)
        table.writerow(["material_id", "cif", "energy"])
        for name in NAMES:
            table.writerow([name, pymatgen_structure(name).to(fmt="cif"), ENERGY[name]])
    found = crystals(path, "energy=eV")
    assert [(one.id, one.labels["energy"]) for one in found] == list(ENERGY.items())


def test_a_table_in_another_encoding_is_explained(tmp_path):
    (tmp_path / "x.csv").write_bytes("id,cif\ncafé,x\n".encode("latin-1"))
    with pytest.raises(DataError, match="not in UTF-8"):
        crystals(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x.db", "x.aselmdb", "x.csv.gz"])
def test_a_file_that_is_something_else_is_explained(tmp_path, name):
    pytest.importorskip("ase", reason="needs ASE: pip install ase")
    (tmp_path / name).write_bytes(b"something else" * 400)
    with pytest.raises(DataError, match=rf"{name}' cannot be read as"):
        crystals(tmp_path / name)


def test_suffixes_in_capitals_are_known(tmp_path):
    write_cif_folder(tmp_path)
    (tmp_path / "a.cif").rename(tmp_path / "a.CIF")
    assert [one.id for one in crystals(tmp_path)] == ["a", "b"]


def test_a_folder_of_folders_names_the_one_that_is_meant(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    write_cif_folder(tmp_path / "deep" / "er")
    with pytest.raises(ConfigError, match=r"but '.*deep/er' does, name that"):
        detect_format(tmp_path)
