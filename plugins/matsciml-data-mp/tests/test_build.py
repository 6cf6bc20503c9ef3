"""The build script: what it rejects, what it leaves out, and that its result is what ships."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_data_mp.dataset import MaterialsProject

PLUGIN = Path(__file__).parents[1]
SCRIPTS = PLUGIN / "scripts"
SDIST = os.environ.get("MATSCIML_MP_SDIST")
"""Path of matminer-0.3.2.tar.gz, for the test that builds everything anew."""

MANIFEST = json.loads((SCRIPTS / "manifest.json").read_text(encoding="utf-8"))

POSCAR = """Cs1 Cl1
1.0
4.200000 0.000000 0.000000
0.000000 4.200000 0.000000
0.000000 0.000000 4.200000
Cs Cl
1 1
direct
0.000000 0.000000 0.000000 Cs
0.500000 0.500000 0.500000 Cl
"""
ELASTIC = {
    "material_id": "mp-1",
    "nsites": "2",
    "formula": "CsCl",
    "volume": "74.088",
    "space_group": "221",
    "poscar": POSCAR,
    "K_VRH": "16.5",
    "G_VRH": "8.5",
    "poisson_ratio": "0.28",
}
LITERAL = {
    "lattice": {"matrix": [[4.2, 0, 0], [0, 4.2, 0], [0, 0, 4.2]]},
    "sites": [
        {"abc": [0, 0, 0], "xyz": [0, 0, 0], "species": [{"element": "Cs", "occu": 1}]},
        {"abc": [0.5] * 3, "xyz": [2.1] * 3, "species": [{"element": "Cl", "occu": 1}]},
    ],
}
FORMATION = {
    "material_id": "mp-1",
    "nsites": "2",
    "formula": "{'Cs': 1.0, 'Cl': 1.0}",
    "structure": repr(LITERAL),
    "e_above_hull": "0.0",
    "formation_energy_per_atom": "-2.1",
}


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """The build script as a module."""
    pytest.importorskip("spglib", reason="the script needs spglib")
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield importlib.import_module("build_mini")
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in ("build_mini", "tables"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def tables(script: ModuleType) -> ModuleType:
    """The reader of the tables."""
    return sys.modules["tables"]


def as_csv(row: dict[str, str], *, unnamed: bool = False) -> bytes:
    """Return a table of one row, with its citation, as matminer has it."""
    text = io.StringIO(newline="")
    text.write("# ref: somebody, somewhere\n")
    writer = csv.writer(text)
    writer.writerow(row)
    writer.writerow([*(["0"] if unnamed else []), *row.values()])
    return text.getvalue().encode()


def one_row(tables: ModuleType, name: str) -> object:
    """Return the description of a table, as if it had one row."""
    (table,) = (table for table in tables.TABLES if table.name == name)
    return replace(table, rows=1)


def read(tables: ModuleType, name: str, row: dict[str, str], **options: bool) -> object:
    """Read a table of one row."""
    return tables.read_table(one_row(tables, name), as_csv(row, **options))


class TestReading:
    def test_a_poscar(self, tables: ModuleType) -> None:
        (entry,) = read(tables, "elastic_tensor", ELASTIC).entries
        assert entry.crystal.atomic_numbers.tolist() == [55, 17]
        assert entry.crystal.positions.tolist() == [[0, 0, 0], [2.1, 2.1, 2.1]]
        assert entry.crystal.labels == {
            "bulk_modulus_vrh": 16.5,
            "shear_modulus_vrh": 8.5,
            "poisson_ratio": 0.28,
        }
        assert entry.composition == "CsCl"
        assert entry.reported_space_group == 221

    def test_a_poscar_with_a_scaling_factor(self, tables: ModuleType) -> None:
        scaled = POSCAR.replace("\n1.0\n", "\n2.0\n").replace("4.200000", "2.100000")
        (entry,) = read(tables, "elastic_tensor", ELASTIC | {"poscar": scaled}).entries
        assert entry.crystal.volume == pytest.approx(4.2**3)
        assert entry.crystal.positions[1].tolist() == [2.1, 2.1, 2.1]

    def test_a_python_literal(self, tables: ModuleType) -> None:
        (entry,) = read(tables, "flla_2015", FORMATION).entries
        assert entry.crystal.positions.tolist() == [[0, 0, 0], [2.1, 2.1, 2.1]]
        assert entry.crystal.labels == {
            "formation_energy_per_atom": -2.1,
            "energy_above_hull": 0.0,
            "is_stable": 1.0,
        }

    @pytest.mark.parametrize(
        ("energy", "stable"), [("0.0", 1), ("4.4e-16", 1), ("4.45e-07", 0), ("0.1", 0)]
    )
    def test_stable_is_zero_within_rounding(
        self, tables: ModuleType, energy: str, stable: int
    ) -> None:
        (entry,) = read(tables, "flla_2015", FORMATION | {"e_above_hull": energy}).entries
        assert entry.crystal.labels["is_stable"] == stable

    def test_an_expression_is_not_evaluated(self, tables: ModuleType) -> None:
        """A literal with a call in it is an error, whatever the call would do."""
        row = FORMATION | {"structure": "__import__('os').system('touch /tmp/no')"}
        with pytest.raises(ValueError, match="malformed"):
            read(tables, "flla_2015", row)

    def test_a_table_with_an_unnamed_column(self, tables: ModuleType) -> None:
        row = {name: ELASTIC[name] for name in ("material_id", "nsites", "formula", "volume")}
        row |= {"space_group": "221.0", "poscar": POSCAR, "eij_max": "0.5"}
        (entry,) = read(tables, "piezoelectric_tensor", row, unnamed=True).entries
        assert entry.crystal.labels == {"piezoelectric_modulus": 0.5}
        assert entry.reported_space_group == 221

    def test_a_column_too_many_or_too_few_is_an_error(self, tables: ModuleType) -> None:
        with pytest.raises(ValueError, match="zip"):
            read(tables, "elastic_tensor", ELASTIC, unnamed=True)
        with pytest.raises(ValueError, match="zip"):
            read(tables, "piezoelectric_tensor", ELASTIC | {"eij_max": "0.5"})

    def test_a_table_without_its_citation_is_another_file(self, tables: ModuleType) -> None:
        with pytest.raises(SystemExit, match="does not begin with its citation"):
            tables.read_table(one_row(tables, "elastic_tensor"), b"a,b\n1,2\n")

    def test_a_table_with_rows_missing_is_an_error(self, tables: ModuleType) -> None:
        table = replace(one_row(tables, "elastic_tensor"), rows=2)
        with pytest.raises(SystemExit, match="has 1 rows; 2 were expected"):
            tables.read_table(table, as_csv(ELASTIC))

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"nsites": "3"}, "2 atoms, but nsites says 3"),
            ({"formula": "CsCl2"}, "the structure is CsCl, but formula says CsCl2"),
            ({"volume": "80"}, r"the volume is 74\.088"),
            ({"K_VRH": "nan"}, "bulk_modulus_vrh is not a finite number"),
            ({"poscar": POSCAR.replace("direct", "cartesian")}, "not in fractional"),
            ({"poscar": POSCAR.replace("0 Cl", "0 Br")}, "symbols disagree"),
            ({"poscar": POSCAR.replace("0.5", "0.0")}, "Å apart"),
        ],
    )
    def test_rows_that_are_no_crystals_are_counted_with_the_reason(
        self, tables: ModuleType, change: dict[str, str], reason: str
    ) -> None:
        reading = read(tables, "elastic_tensor", ELASTIC | change)
        assert reading.entries == []
        (record,) = reading.rejected
        assert (record["table"], record["id"]) == ("elastic_tensor", "mp-1")
        with pytest.raises(ValueError, match=reason):
            raise ValueError(record["reason"])

    def test_partly_occupied_sites_are_rejected(self, tables: ModuleType) -> None:
        text = repr(LITERAL).replace("'occu': 1}", "'occu': 0.5}")
        reading = read(tables, "flla_2015", FORMATION | {"structure": text})
        assert "partly occupied" in reading.rejected[0]["reason"]

    def test_contradicting_coordinates_are_rejected(self, tables: ModuleType) -> None:
        text = repr(LITERAL).replace("2.1", "2.2")
        reading = read(tables, "flla_2015", FORMATION | {"structure": text})
        assert "contradict each other" in reading.rejected[0]["reason"]

    def test_only_the_four_tables_are_read_from_the_archive(
        self, tables: ModuleType, tmp_path: Path
    ) -> None:
        """A link in the place of a table, or a table of absurd size, is rejected."""
        path = tmp_path / "evil.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            link = tarfile.TarInfo(tables.TABLES[0].member)
            link.type, link.linkname = tarfile.CHRTYPE, "/dev/zero"
            archive.addfile(link)
        with pytest.raises(SystemExit, match="is not the file it should be"):
            tables.read_tables(path)
        assert list(tmp_path.iterdir()) == [path]

    def test_another_archive_is_rejected(self, script: ModuleType, tmp_path: Path) -> None:
        path = tmp_path / "matminer-0.3.2.tar.gz"
        path.write_bytes(b"something else")
        with pytest.raises(SystemExit, match="SHA-256 differs"):
            script.checked(path)


class TestMerging:
    @pytest.fixture
    def entries(self, tables: ModuleType) -> dict[str, object]:
        """The same crystal from two tables."""
        return {
            "flla_2015": read(tables, "flla_2015", FORMATION),
            "elastic_tensor": read(tables, "elastic_tensor", ELASTIC),
        }

    GROUPS = {("flla_2015", "mp-1"): 221, ("elastic_tensor", "mp-1"): 221}

    def test_labels_of_one_crystal_come_together(self, script: ModuleType, entries: dict) -> None:
        merged = script.merge(entries, self.GROUPS)
        (crystal,) = merged.crystals
        assert crystal.labels["formation_energy_per_atom"] == -2.1
        assert crystal.labels["bulk_modulus_vrh"] == 16.5
        assert crystal.labels["space_group"] == 220
        assert merged.structure_from == {"flla_2015": 1}
        assert merged.left_out == []

    def test_another_space_group_is_another_crystal(
        self, script: ModuleType, entries: dict
    ) -> None:
        merged = script.merge(entries, self.GROUPS | {("elastic_tensor", "mp-1"): 123})
        assert "bulk_modulus_vrh" not in merged.crystals[0].labels
        assert merged.left_out == [
            {
                "id": "mp-1",
                "structure": "flla_2015",
                "labels_of": "elastic_tensor",
                "labels": ["bulk_modulus_vrh", "shear_modulus_vrh", "poisson_ratio"],
                "reason": "space group 221 against 123",
            }
        ]

    @pytest.mark.parametrize(("scale", "same"), [(1.009, True), (1.011, False)])
    def test_another_volume_is_another_crystal(
        self, script: ModuleType, entries: dict, scale: float, same: bool
    ) -> None:
        """Three per cent of volume are one per cent of length."""
        (entry,) = entries["elastic_tensor"].entries
        larger = replace(entry.crystal, cell=entry.crystal.cell * scale)
        entries["elastic_tensor"].entries[0] = replace(entry, crystal=larger)
        merged = script.merge(entries, self.GROUPS)
        assert ("bulk_modulus_vrh" in merged.crystals[0].labels) is same
        assert bool(merged.left_out) is not same

    def test_another_composition_is_another_crystal(
        self, script: ModuleType, entries: dict
    ) -> None:
        (entry,) = entries["elastic_tensor"].entries
        entries["elastic_tensor"].entries[0] = replace(entry, composition="CsBr")
        (record,) = script.merge(entries, self.GROUPS).left_out
        assert record["reason"] == "composition CsCl against CsBr"

    def test_order_is_that_of_the_numbers(self, script: ModuleType, tables: ModuleType) -> None:
        reading = tables.Reading(sha256="")
        (entry,) = read(tables, "elastic_tensor", ELASTIC).entries
        for name in ("mp-10", "mp-9", "mp-100"):
            reading.entries.append(replace(entry, crystal=replace(entry.crystal, id=name)))
        groups = {("elastic_tensor", name): 221 for name in ("mp-9", "mp-10", "mp-100")}
        merged = script.merge({"elastic_tensor": reading}, groups)
        assert [crystal.id for crystal in merged.crystals] == ["mp-9", "mp-10", "mp-100"]

    def test_a_structure_without_space_group_has_no_class(
        self, script: ModuleType, entries: dict
    ) -> None:
        (crystal,) = script.merge(entries, dict.fromkeys(self.GROUPS)).crystals
        assert "space_group" not in crystal.labels
        assert script.crystal_system(crystal) == "unknown"

    @pytest.mark.parametrize(
        ("number", "system"),
        [
            (1, "triclinic"),
            (2, "triclinic"),
            (3, "monoclinic"),
            (16, "orthorhombic"),
            (74, "orthorhombic"),
            (75, "tetragonal"),
            (143, "trigonal"),
            (167, "trigonal"),
            (168, "hexagonal"),
            (194, "hexagonal"),
            (195, "cubic"),
            (230, "cubic"),
        ],
    )
    def test_crystal_systems(self, script: ModuleType, number: int, system: str) -> None:
        crystal = Crystal(
            id="x",
            atomic_numbers=[1],
            positions=[[0, 0, 0]],
            cell=np.eye(3),
            labels={"space_group": number - 1},
        )
        assert script.crystal_system(crystal) == system


class TestManifest:
    def test_belongs_to_the_shipped_data(self) -> None:
        dataset = MaterialsProject()
        assert MANIFEST["content_hash"] == dataset.provenance.content_hash
        assert MANIFEST["split_hash"] == dataset.split().hash
        assert MANIFEST["crystals"] == len(dataset)
        assert sum(MANIFEST["structure_from"].values()) == 6317

    def test_counts_every_row_of_the_source(self) -> None:
        rows = {name: table["rows"] for name, table in MANIFEST["tables"].items()}
        assert rows == {
            "flla_2015": 3938,
            "dielectric_constant": 1056,
            "elastic_tensor": 1181,
            "piezoelectric_tensor": 941,
        }
        assert MANIFEST["rejected_rows"] == []
        assert sum(rows.values()) - MANIFEST["rows_of_ids_seen_before"] == 6317

    def test_lists_the_labels_left_out(self) -> None:
        assert {record["id"]: record["reason"] for record in MANIFEST["labels_left_out"]} == {
            "mp-11798": "space group 123 against 221",
            "mp-697111": "volume per atom differs by +4.6%",
        }

    def test_space_groups_agree_with_those_the_tables_state(self) -> None:
        symmetry = MANIFEST["symmetry"]
        assert symmetry["symprec"] == 0.1
        assert symmetry["structures_with_stated_group"] == 3178
        assert len(symmetry["differs_from_stated"]) == 4
        assert len(symmetry["differs_from_moyopy"]) == 33

    def test_names_the_pinned_source(self, script: ModuleType) -> None:
        assert MANIFEST["source_sha256"] == script.SDIST_SHA256


@pytest.mark.slow
@pytest.mark.skipif(SDIST is None, reason="set MATSCIML_MP_SDIST to matminer-0.3.2.tar.gz")
def test_building_again_gives_the_shipped_data(tmp_path: Path) -> None:
    """Bit by bit: store, split and manifest."""
    manifest = tmp_path / "manifest.json"
    options = ["--sdist", SDIST, "--output", tmp_path, "--manifest", manifest]
    subprocess.run([sys.executable, SCRIPTS / "build_mini.py", *options], check=True)
    package = PLUGIN / "src" / "matsciml_data_mp"
    for name in ("mini/index.json", "mini/00000.lmdb", "splits/stratified.json"):
        assert (tmp_path / name).read_bytes() == (package / name).read_bytes(), name
    assert json.loads(manifest.read_text(encoding="utf-8")) == MANIFEST


@pytest.mark.slow
def test_the_wheel_carries_the_data_and_its_licence(tmp_path: Path) -> None:
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, PLUGIN],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 4_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for name in ("mini/index.json", "mini/00000.lmdb", "splits/stratified.json"):
            shipped = PLUGIN / "src" / "matsciml_data_mp" / name
            assert archive.read(f"matsciml_data_mp/{name}") == shipped.read_bytes()
        (licence,) = (name for name in names if name.endswith("licenses/LICENCE-DATA.txt"))
        text = archive.read(licence).decode()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        assert "License-Expression: MIT AND CC-BY-4.0" in archive.read(metadata).decode()
    assert "Creative Commons Attribution 4.0" in text
    assert "Regents of the University of" in text
    assert not any("scripts/" in name or "tests/" in name for name in names)
