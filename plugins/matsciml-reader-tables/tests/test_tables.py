"""What is special about tables; the promises of all readers are tested next door."""

from __future__ import annotations

import csv
import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from matsciml_core.convert import to_pymatgen
from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import (
    Frame,
    ImportRequest,
    Naming,
    parse_files,
    read,
    to_crystals,
)
from matsciml_core.data.readers.labels import parse_label
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.crystals import sodium_chloride

REGISTRY = build_registry(only=["matsciml-reader-tables"])
STRUCTURE = to_pymatgen(sodium_chloride()).as_dict()
ENERGY = {"a": -1.5, "b": 2.25}


def crystals(path: Path, *labels: str, workers: int = 1) -> list[Crystal | Rejection]:
    frames = read(path, registry=REGISTRY, workers=workers)
    return list(to_crystals(frames, [parse_label(text) for text in labels], Naming()))


def write_json(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def write_csv(path: Path, separator: str = ",", encoding: str = "utf-8", rows: int = 1) -> Path:
    with path.open("w", newline="", encoding=encoding) as stream:
        table = csv.writer(stream, delimiter=separator)
        table.writerow(["material_id", "cif", "energy"])
        for repeat in range(rows):
            for name, energy in ENERGY.items():
                text = to_pymatgen(sodium_chloride()).to(fmt="cif")
                table.writerow([name if rows == 1 else f"{name}-{repeat}", text, energy])
    return path


@pytest.mark.parametrize(
    ("separator", "encoding"), [(",", "utf-8"), (";", "utf-8"), ("\t", "utf-8"), (";", "utf-8-sig")]
)
def test_tables_of_spreadsheets_are_read(tmp_path: Path, separator: str, encoding: str) -> None:
    found = crystals(write_csv(tmp_path / "mine.csv", separator, encoding), "energy=eV")
    assert {one.id: one.labels["energy"] for one in found if isinstance(one, Crystal)} == ENERGY


@pytest.mark.slow
def test_several_processes_give_the_same_in_the_same_order(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "mine.csv", rows=40)
    alone, together = (crystals(path, "energy=eV", workers=workers) for workers in (1, 2))
    assert [one.id for one in alone] == [one.id for one in together]
    for one, other in zip(alone, together, strict=True):
        assert isinstance(one, Crystal)
        assert isinstance(other, Crystal)
        assert np.array_equal(one.positions, other.positions)


def test_what_cannot_be_read_is_rejected_and_the_rest_is_kept(tmp_path: Path) -> None:
    disordered, unknown = json.loads(json.dumps([STRUCTURE, STRUCTURE]))
    disordered["sites"][0]["species"] = [{"element": "Na", "occu": 0.5}]
    unknown["sites"][0]["species"] = [{"element": "vacancy", "occu": 1}]
    entries = [
        {"id": "1", "structure": disordered, "energy": 1},
        {"id": "2", "structure": unknown, "energy": 1},
        {"id": "3", "energy": 1},
        {"id": "4", "structure": {"sites": []}},
        {"id": "5", "structure": STRUCTURE, "energy": "high"},
        {"id": "6", "structure": STRUCTURE, "energy": 1},
        "7",
    ]
    found = crystals(write_json(tmp_path / "mine.json", entries), "energy=eV")
    assert [type(one) for one in found] == [Rejection] * 5 + [Crystal, Rejection]
    assert [one.reason for one in found if isinstance(one, Rejection)] == [
        "A site holds several species, or is only partly occupied.",
        "A site holds no chemical element.",
        "The entry has no structure.",
        "The structure is no pymatgen dictionary.",
        "The label '…' is '…', where a number is expected.",
        "The entry is no JSON object.",
    ]


CIF = to_pymatgen(sodium_chloride()).to(fmt="cif")


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ([STRUCTURE, STRUCTURE], ["x-000000", "x-000001"]),
        ({"a": STRUCTURE, "b": STRUCTURE}, ["a", "b"]),
        (STRUCTURE, ["x-000000"]),
        ({"entries": [{"structure": STRUCTURE, "jid": "J-1"}]}, ["J-1"]),
        (
            {"columns": ["cif"], "data": [[to_pymatgen(sodium_chloride()).to(fmt="cif")]]},
            ["x-000000"],
        ),
        ([{"poscar": to_pymatgen(sodium_chloride()).to(fmt="poscar")}], ["x-000000"]),
        ([{"structure": json.dumps(STRUCTURE), "name": "n"}], ["n"]),
    ],
)
def test_forms_of_json(tmp_path: Path, data: Any, names: list[str]) -> None:
    found = crystals(write_json(tmp_path / "x.json", data))
    assert [one.id for one in found] == names
    for one in found:
        assert isinstance(one, Crystal)
        assert one.atomic_numbers.tolist() == [11, 17]
        assert one.fractional[1] % 1 == pytest.approx([0.5] * 3, abs=1e-6)


ORIENTATIONS = ["columns", "split", "records", "index", "table"]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("column", ["structure", "entry", "computed_structure_entry"])
def test_every_orientation_of_pandas(tmp_path: Path, orientation: Any, column: str) -> None:
    entry = {"@class": "ComputedStructureEntry", "energy": -3.0, "structure": STRUCTURE}
    structures = [STRUCTURE if column == "structure" else entry] * 2
    ids = ["mp-1", "mp-2"]
    frame = pandas.DataFrame({"material_id": ids, column: structures, "gap": [1.0, 2.0]})
    path = tmp_path / "x.json"
    frame.to_json(path, orient=orientation)
    labels = ["gap=eV"] if column == "structure" else ["gap=eV", "energy=eV"]
    found = [one for one in crystals(path, *labels) if isinstance(one, Crystal)]
    assert [one.id for one in found] == ids
    assert [one.labels["gap"] for one in found] == [1.0, 2.0]
    assert all(one.labels.get("energy", -3.0) == -3.0 for one in found)


BESIDE = f'"structure": {json.dumps(STRUCTURE)}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'[{{{BESIDE}, "energy": -1, "energy": -2}}]', "two values of 'energy'"),
        (json.dumps(STRUCTURE)[:-1] + ', "charge": 1, "charge": 2}', "two values of 'charge'"),
        ('{"cif": {"a": ""}, "gap": {"a": 1}, "gap": {"a": 2}}', "two values of 'gap'"),
        ('{"columns": ["cif", "gap", "gap"], "data": [["", 1, 2]]}', "two columns 'gap'"),
        ('{"data": [["", 1, 2]], "columns": ["cif", "gap", "gap"]}', "two columns 'gap'"),
        ('{"columns": ["cif"], "index": [1], "index": [2], "data": [[""]]}', "values of 'index'"),
    ],
)
def test_json_that_can_be_read_in_two_ways_is_not(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        crystals(path)


def test_a_line_of_json_that_can_be_read_in_two_ways_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{{BESIDE}, "energy": -1, "energy": -2}}\n{{{BESIDE}, "energy": -1}}\n')
    doubled, crystal = crystals(path, "energy=eV")
    assert isinstance(crystal, Crystal)
    assert isinstance(doubled, Rejection)
    assert "two values of 'energy'" in doubled.detail


def test_a_line_that_is_broken_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = json.dumps({"structure": STRUCTURE})
    path.write_text(f"{good}\n{good[:50]}\n{good}\n")
    found = crystals(path)
    assert [type(one) for one in found] == [Crystal, Rejection, Crystal]
    assert isinstance(found[1], Rejection)
    assert (found[1].id, found[1].reason) == ("x-000001", "The line is no valid JSON.")


def test_values_beside_a_structure_come_with_it(tmp_path: Path) -> None:
    entry = {"structure": STRUCTURE, "data": {"gap": 1.5, "tags": [1]}, "energy": -1, "id": "a"}
    (frame,) = read(write_json(tmp_path / "x.json", [entry]), registry=REGISTRY)
    assert isinstance(frame, Frame)
    assert frame.values == {
        "gap": 1.5, "tags": [1], "data": entry["data"], "energy": -1, "id": "a",
    }  # fmt: skip


def test_a_table_without_structures_is_explained(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,energy\n1,2\n")
    with pytest.raises(DataError, match=r"no column with structures.* Columns: id, energy"):
        crystals(tmp_path / "x.csv")


def test_a_table_in_another_encoding_is_explained(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("id,cif\ncafé,x\n".encode("latin-1"))
    with pytest.raises(DataError, match="not in UTF-8"):
        crystals(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x.csv.gz", "x.json.gz", "x.jsonl.xz"])
def test_a_file_that_is_something_else_is_explained(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else" * 400)
    with pytest.raises(DataError, match=rf"{name}' cannot be read as"):
        crystals(tmp_path / name)


@pytest.mark.parametrize("text", ["7", '"text"', "[", ""])
def test_json_without_records_is_explained(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=r"no valid JSON|neither a list nor a table"):
        crystals(tmp_path / "x.json")


def test_cdvae_table() -> None:
    path = Path(__file__).parents[5] / "shared" / "data" / "cdvae" / "carbon_24_val.csv"
    if not path.is_file():
        pytest.skip(f"The file is not here: {path} does not exist.")
    frames = list(islice(read(path, registry=REGISTRY), 5))
    assert [type(one) for one in frames] == [Frame] * 5
    assert frames[0].name == "C-148264-7891-51"  # type: ignore[union-attr]
    assert float(frames[0].values["energy_per_atom"]) == -154.223695  # type: ignore[union-attr]


OPTIMADE = {
    "lattice_vectors": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
    "cartesian_site_positions": [[0, 0, 0], [2, 2, 2]],
    "species_at_sites": ["A", "B"],
    "species": [
        {"name": "A", "chemical_symbols": ["Na"], "concentration": [1.0]},
        {"name": "B", "chemical_symbols": ["Cl"], "concentration": [1.0]},
    ],
}
ATTACHED = [{**OPTIMADE["species"][0], "attached": ["H"], "nattached": [1]}, OPTIMADE["species"][1]]
VACANT = [{**OPTIMADE["species"][0], "chemical_symbols": ["vacancy"]}, OPTIMADE["species"][1]]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"species": json.dumps(OPTIMADE["species"])}, ""),
        ({"species": ATTACHED}, "attached atoms"),
        ({"species": VACANT}, "vacancy"),
        ({"structure_features": ["implicit_atoms"]}, "implicit_atoms"),
        ({"assemblies": [{"sites_in_groups": [[0], [1]]}]}, "assemblies"),
        ({"nsites": 2}, ""),
        ({"nsites": 4}, "states another number of sites than it has: 4 and 2"),
        ({"lattice_vectors": [[4, 0, 0], [0, 4, 0], None], "dimension_types": [1, 1, 0]}, "open"),
    ],
)
def test_optimade(tmp_path: Path, changes: Any, problem: str) -> None:
    response = {"meta": {}, "data": [{"id": "o-1", "attributes": {**OPTIMADE, **changes}}]}
    (record,) = read(write_json(tmp_path / "x.json", response))
    if isinstance(record, Rejection):
        assert problem in (record.detail or record.reason)
        return
    assert record.name == "o-1"
    assert record.atomic_numbers == [11, 17]
    assert np.asarray(record.pbc).tolist() == [True, True, problem != "open"]


def test_masses_of_isotopes_come_with_a_structure_of_optimade(tmp_path: Path) -> None:
    species = [{**OPTIMADE["species"][0], "mass": [22.0]}, OPTIMADE["species"][1]]
    response = {"data": [{"id": "o", "attributes": {**OPTIMADE, "species": species}}]}
    (frame,) = read(write_json(tmp_path / "x.json", response))
    assert isinstance(frame, Frame)
    np.testing.assert_array_equal(frame.values["masses"], [22.0, np.nan])


def test_what_jarvis_says_of_coordinates_and_sites(tmp_path: Path) -> None:
    atoms = {
        "lattice_mat": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        "coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
        "elements": ["Na", "Cl"],
        "cartesian": False,
        "props": ["", ""],
    }

    def one(**changes: Any) -> Any:
        entry = {"jid": "JVASP-1", "atoms": {**atoms, **changes}}
        return next(iter(read(write_json(tmp_path / "x.json", [entry]))))

    assert one().values == {"jid": "JVASP-1"}
    assert one(props=[1.5, -1.5]).values["props"] == [1.5, -1.5]
    np.testing.assert_allclose(one().positions[1], [2, 2, 2])
    # Text is true whatever it says, and fractions would be taken for Å.
    assert isinstance(one(cartesian="False"), Rejection)


def test_a_table_that_can_be_read_in_two_ways_is_not(tmp_path: Path) -> None:
    cif = to_pymatgen(sodium_chloride()).to(fmt="cif").replace('"', "'")
    path = tmp_path / "x.csv"
    path.write_text(f'cif,energy\n"{cif}",-1.5\n"{cif}",-1,5\n', encoding="utf-8")
    whole, shifted = read(path, registry=REGISTRY)
    assert isinstance(whole, Frame)
    assert isinstance(shifted, Rejection)
    assert shifted.reason == "The row has more entries than the header."
    path.write_text(f'cif,energy,energy\n"{cif}",-1.5,-2.5\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="two columns 'energy'"):
        list(read(path, registry=REGISTRY))


TORN_ROWS = {
    "a number without its last digits": -2,
    "no number at all": -len(",4.125"),
    "half a structure": -len(",4.125") - 40,
}


@pytest.mark.parametrize("torn", TORN_ROWS)
def test_a_row_in_which_a_table_ends_is_rejected(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "x.csv"
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "cif", "energy"])
        for name, energy in {"a": -1.125, "b": 2.375, "c": -3.125, "d": 4.125}.items():
            table.writerow([name, to_pymatgen(sodium_chloride()).to(fmt="cif"), energy])
    whole = path.read_text().rstrip()
    path.write_text(whole)  # the last line has no end, and lacks nothing
    assert [record.name for record in read(path, registry=REGISTRY)] == ["a", "b", "c", "d"]
    path.write_text(whole[: TORN_ROWS[torn]])
    *before, last = read(path, registry=REGISTRY)
    assert len(before) == 3
    assert all(isinstance(record, Frame) for record in before)
    assert isinstance(last, Rejection)
    assert "ends within its last row" in last.reason


def test_sources_that_define_their_units(tmp_path: Path) -> None:
    entry = {"matpes_id": "m", "structure": STRUCTURE, "stress": [16.0, 0, 0, 0, 0, 0]}
    path = write_json(tmp_path / "x.json", [entry])
    registry = build_registry()
    conversion = parse_files(ImportRequest(paths=(path,), labels=("stress",)), registry)
    (crystal,) = conversion.source(0)
    assert crystal.labels["stress"][0, 0] == pytest.approx(-1.6 / 160.21766208)
    assert "kbar, positive under compression" in conversion.remarks()[0]
    with pytest.raises(ConfigError, match="defines that 'stress' is in kbar:vasp"):
        parse_files(ImportRequest(paths=(path,), labels=("stress=eV/A^3",)), registry)


def test_a_file_that_is_torn_keeps_the_entries_before(tmp_path: Path) -> None:
    path = write_json(tmp_path / "x.json", [STRUCTURE, STRUCTURE])
    path.write_text(path.read_text()[:-30])
    records = read(path, registry=REGISTRY)
    assert isinstance(next(records), Frame)
    with pytest.raises(DataError, match="no valid JSON"):
        next(records)


def test_functionals_are_not_mixed_unless_asked(tmp_path: Path) -> None:
    row = {**OPTIMADE, "species": json.dumps(OPTIMADE["species"]), "energy": -1.0}
    rows = [{**row, "functional": name} for name in ("pbe", "pbe", "scan")]
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    with pytest.raises(DataError, match=r"mixes results of pbe and scan.*--set functional=pbe"):
        list(read(path, registry=REGISTRY))
    chosen = list(read(path, registry=REGISTRY, options={"functional": "scan"}))
    assert [isinstance(record, Frame) for record in chosen] == [False, False, True]
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path)
    with pytest.raises(DataError, match="has no column 'lattice_vectors'"):
        list(read(path, registry=REGISTRY))
