"""The description of the store's bytes is complete: a reader made from it alone reads a store."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from matsciml_core.data import CrystalStore, CrystalStoreWriter, write_symmetry
from matsciml_core.data.store.record_layout import RecordLayout
from matsciml_core.data.symmetry.orbits import orbits_of
from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.targets import Grid, TargetInfo

PAGE = Path(__file__).resolve().parents[5] / "docs" / "reference" / "store.md"
TARGETS = (
    TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True),
    TargetInfo(name="energy", kind="energy", unit="eV"),
    TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
    TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
    TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230),
    TargetInfo(name="site", kind="multiclass", unit="class", num_classes=4, per_atom=True),
    TargetInfo(name="metal", kind="binary", unit="class"),
    TargetInfo(name="born", kind="tensor", rank=2, unit="e", per_atom=True),
    TargetInfo(name="dipole", kind="tensor", rank=1, unit="e·Å", extensive=True),
    TargetInfo(name="dielectric", kind="tensor", rank=2, unit="dimensionless", symmetric=True),
    TargetInfo(
        name="dos", kind="grid", unit="1/eV", grid=Grid(points=7, start=-3.0, stop=3.0, unit="eV")
    ),
)
"""Labels of every kind, those per atom and per crystal mixed."""
SITE_PROPERTIES = ("fixed", "tags")


def make_crystal(number: int) -> Crystal:
    random = np.random.default_rng(number)
    atoms = int(random.integers(1, 20))
    labels = {
        "charge": random.normal(size=atoms),
        "energy": random.normal(),
        "forces": random.normal(size=(atoms, 3)),
        "stress": random.normal(size=(3, 3)),
        "group": int(random.integers(230)),
        "site": random.integers(0, 4, atoms),
        "metal": number % 2,
        "born": random.normal(size=(atoms, 3, 3)),
        "dipole": random.normal(size=3),
        "dielectric": random.normal(size=(3, 3)),
        "dos": random.normal(size=7),
    }
    absent = [name for name in labels if random.random() < 0.3]
    return Crystal(
        id="Å" * (number % 9) + str(number),
        atomic_numbers=random.integers(1, 119, atoms),
        positions=random.normal(size=(atoms, 3)) * 9,
        cell=random.normal(size=(3, 3)) + 5 * np.eye(3),
        pbc=random.random(3) < 0.7,
        labels={name: value for name, value in labels.items() if name not in absent},
        site_properties={
            name: random.integers(0, 256, atoms)
            for name in SITE_PROPERTIES
            if random.random() < 0.8
        },
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CrystalStore:
    folder = tmp_path_factory.mktemp("specification") / "store"
    provenance = Provenance(source="test")
    with CrystalStoreWriter(
        folder, TARGETS, provenance, site_properties=SITE_PROPERTIES, shard_size=16
    ) as writer:
        for number in range(40):
            writer.add(make_crystal(number))
    return CrystalStore(folder)


@pytest.fixture
def folder(store: CrystalStore, tmp_path: Path) -> Path:
    """A copy: LMDB does not open a file twice in one process."""
    return Path(shutil.copytree(store.folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def reader() -> dict[str, Any]:
    """The program on the page, run as it stands there."""
    (program,) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S
    )
    names: dict[str, Any] = {}
    exec(compile(program, str(PAGE), "exec"), names)
    return names


def records_of(folder: Path) -> list[tuple[bytes, bytes]]:
    found = []
    for path in sorted(folder.glob("*.lmdb")):
        with (
            lmdb.open(str(path), subdir=False, readonly=True, lock=False) as environment,
            environment.begin() as transaction,
        ):
            found += list(transaction.cursor())
    return found


def test_the_program_reads_what_the_project_reads(
    store: CrystalStore, folder: Path, reader: dict[str, Any]
) -> None:
    found = list(reader["read_store"](folder))
    batch = store.read(range(40))
    assert [crystal["id"] for crystal in found] == batch.ids
    bounds = [0, *np.cumsum(batch.atoms_per_crystal.numpy()).tolist()]
    for k, (crystal, (first, last)) in enumerate(zip(found, pairwise(bounds), strict=True)):
        assert crystal["atomic_numbers"] == batch.atomic_numbers[first:last].tolist()
        assert crystal["pbc"] == batch.pbc[k].tolist()
        assert list(crystal["cell"]) == batch.cell[k].flatten().tolist()
        assert list(crystal["positions"]) == batch.positions[first:last].flatten().tolist()
        for name in SITE_PROPERTIES:
            assert (
                crystal["site_properties"][name] == batch.site_properties[name][first:last].tolist()
            )
        for info in TARGETS:
            values = batch.targets[info.name]
            expected = (values[first:last] if info.per_atom else values[k]).flatten().double()
            stored = np.array(crystal["labels"][info.name])
            stored = np.where(np.isnan(stored), -1, stored) if info.is_class else stored
            np.testing.assert_array_equal(stored, expected.numpy())


@pytest.fixture
def with_symmetry(store: CrystalStore, tmp_path: Path) -> Path:
    """A copy of the store, with the symmetry of its crystals."""
    folder = Path(shutil.copytree(store.folder, tmp_path / "copy"))
    write_symmetry(folder)
    return folder


def test_the_symmetry_file_is_as_the_page_says(with_symmetry: Path) -> None:
    entry = json.loads((with_symmetry / "index.json").read_text(encoding="utf-8"))["symmetry"]
    data = (with_symmetry / entry["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry["content_hash"]
    crystals, atoms = entry["crystals"], entry["atoms"]
    offsets = np.frombuffer(data, "<u8", crystals + 1)
    places = np.frombuffer(data, "<u4", atoms, 8 * (crystals + 1))
    start = 8 * (crystals + 1) + 4 * atoms
    operations = np.frombuffer(data, "i1", 9 * atoms, start).reshape(-1, 3, 3)
    sums = np.frombuffer(data, "<i2", 9 * atoms, start + 9 * atoms).reshape(-1, 3, 3)
    orders = np.frombuffer(data, "<i2", atoms, start + 27 * atoms)
    assert len(data) == start + 29 * atoms
    for k, crystal in enumerate(CrystalStore(with_symmetry).read(range(crystals)).crystals()):
        part = slice(int(offsets[k]), int(offsets[k + 1]))
        found = orbits_of(crystal, entry["symprec"])
        assert np.array_equal(places[part], found.representative)
        assert np.array_equal(operations[part], found.rotation)
        assert np.array_equal(sums[part], found.site_sum)
        assert np.array_equal(orders[part], found.site_order)


def test_the_index_has_the_keys_of_the_page_and_no_others(with_symmetry: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    index = json.loads((with_symmetry / "index.json").read_text(encoding="utf-8"))
    reference = {"key", "authors", "title", "venue", "year", "doi"}
    shard, meta = index["shards"][0], index["meta"]
    target = {key for info in meta["targets"] for key in info}
    named = set(re.findall(r"`([a-z_]+)`", text))
    symmetry = index["symmetry"]
    assert {*index, *shard, *meta, *target, *reference, *symmetry} <= named
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.M)
    listed = set(re.findall(r"\w+", " ".join(rows)))
    assert listed == {*index, *meta, *target, *symmetry}


def test_hash_keys_and_lengths_are_as_the_page_says(store: CrystalStore, folder: Path) -> None:
    records = [(key, value) for key, value in records_of(folder) if key != b"__meta__"]
    assert [int.from_bytes(key, "big") for key, _ in records] == list(range(40))
    digest = hashlib.sha256(b"".join(value for _, value in records))
    assert digest.hexdigest() == store.meta["content_hash"]
    for number, (_, value) in enumerate(records):
        crystal = make_crystal(number)
        atoms, name = crystal.num_atoms, len(crystal.id.encode())
        per_crystal, per_atom = 1 + 9 + 1 + 1 + 3 + 9 + 7, 3 + 1 + 3 + 1 + 9
        words = 11 + per_crystal + per_atom * atoms + -(-3 * atoms // 8) + -(-name // 8)
        assert len(value) == 8 * words


def test_every_shard_describes_itself(store: CrystalStore, folder: Path) -> None:
    notes = [json.loads(value) for key, value in records_of(folder) if key == b"__meta__"]
    assert [note.pop("shard") for note in notes] == [0, 1, 2]
    assert [note.pop("count") for note in notes] == [16, 32, 40]
    expected = {name: value for name, value in store.meta.items() if name != "content_hash"}
    del expected["count"]
    assert notes == [expected] * 3


def test_an_id_that_is_not_utf8_is_damage() -> None:
    layout = RecordLayout(TARGETS)
    sound = layout.encode(make_crystal(3))
    name = make_crystal(3).id.encode()
    broken = sound.replace(name, b"\xff" * len(name))
    assert layout.decode([sound]).ids == [make_crystal(3).id]
    with pytest.raises(DataError, match="its id is not UTF-8"):
        layout.decode([sound, broken])


def test_a_store_without_marks_is_of_version_1(tmp_path: Path, reader: dict[str, Any]) -> None:
    with CrystalStoreWriter(tmp_path / "store", TARGETS, Provenance(source="test")) as writer:
        for number in range(3):
            writer.add(make_crystal(number))
    index = json.loads((tmp_path / "store" / "index.json").read_text(encoding="utf-8"))
    assert (index["version"], index["meta"]["schema_version"]) == (1, 1)
    assert "site_properties" not in index["meta"]
    (first, *_) = reader["read_store"](tmp_path / "store")
    assert first["atomic_numbers"] == make_crystal(0).atomic_numbers.tolist()
    assert first["site_properties"] == {}
