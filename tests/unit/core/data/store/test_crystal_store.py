"""The store: what goes in comes out, in any order and process; damage is noticed."""

from __future__ import annotations

import _pickle
import json
import multiprocessing
import pickle
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from matsciml_core.data import StoreDataset
from matsciml_core.data.store import crystal_store as store_module
from matsciml_core.data.store.crystal_store import CrystalStore, CrystalStoreWriter, remove_store
from matsciml_core.data.store.record_layout import RecordLayout
from matsciml_core.errors import DataError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.specs import Reference
from matsciml_core.registry.targets import TargetInfo

TARGETS = (
    TargetInfo(name="energy", kind="energy", unit="eV", description="Total energy."),
    TargetInfo(name="gap", kind="scalar", unit="eV"),
    TargetInfo(name="metal", kind="binary", unit="class"),
    TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
    TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230),
    TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
    TargetInfo(name="site", kind="multiclass", unit="class", num_classes=4, per_atom=True),
    TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True),
)
"""Every kind of label, per crystal and per atom mixed."""

REFERENCE = Reference(key="a2020b", authors="A, B.", title="C", venue="D 1", year=2020, doi="10/x")
PROVENANCE = Provenance(source="test", release="1", licence="CC0-1.0", references=(REFERENCE,))


def make_crystal(number: int) -> Crystal:
    """Return a crystal of 1 to 19 atoms; about half of the labels are missing."""
    random = np.random.default_rng(number)
    atoms = int(random.integers(1, 20))
    labels = {
        "energy": random.normal() * 100,
        "gap": random.random(),
        "metal": int(random.integers(2)),
        "forces": random.normal(size=(atoms, 3)),
        "group": int(random.integers(230)),
        "stress": random.normal(size=(3, 3)),
        "site": random.integers(0, 4, atoms),
        "charge": random.normal(size=atoms),
    }
    present = random.random(len(labels)) < 0.5
    return Crystal(
        id=f"crystal-{number}" + "é" * (number % 9),
        atomic_numbers=random.integers(1, 119, atoms),
        positions=random.normal(size=(atoms, 3)) * 10,
        cell=np.diag([5.0, 6.0, 7.0]) + random.normal(size=(3, 3)),
        pbc=random.random(3) < 0.7,
        labels={name: labels[name] for name, keep in zip(labels, present, strict=True) if keep},
    )


CRYSTALS = [make_crystal(number) for number in range(157)]


def write(folder: Path, crystals: Sequence[Crystal] = CRYSTALS, **options: int) -> CrystalStore:
    """Write a store and open it."""
    with CrystalStoreWriter(folder, TARGETS, PROVENANCE, **options) as writer:
        for crystal in crystals:
            writer.add(crystal)
    return CrystalStore(folder)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> CrystalStore:
    """A store of 157 crystals in 8 shards."""
    return write(tmp_path_factory.mktemp("sharded") / "store", shard_size=20)


def assert_same(found: CrystalBatch, expected: CrystalBatch) -> None:
    """Compare two batches bit by bit."""
    for name in ("atomic_numbers", "positions", "cell", "pbc", "crystal_index"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype, name
        assert torch.equal(one, other), name
    assert found.atoms_per_crystal.tolist() == expected.atoms_per_crystal.tolist()
    assert list(found.ids) == list(expected.ids)
    assert found.targets.keys() == expected.targets.keys()
    for name, tensor in found.targets.items():
        assert tensor.dtype == expected.targets[name].dtype, name
        assert tensor.shape == expected.targets[name].shape, name
        assert np.array_equal(
            tensor, expected.targets[name], equal_nan=tensor.is_floating_point()
        ), name
    assert dict(found.target_info) == dict(expected.target_info)


def expected_batch(indices: Sequence[int]) -> CrystalBatch:
    """Return the batch that the slow way gives."""
    return CrystalBatch.from_crystals([CRYSTALS[k] for k in indices], TARGETS)


class TestRoundTrip:
    def test_everything_at_once(self, sharded: CrystalStore) -> None:
        everything = list(range(len(CRYSTALS)))
        assert_same(sharded.read(everything), expected_batch(everything))

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 156), min_size=1, max_size=60))
    def test_any_indices_in_any_order_with_repeats(
        self, sharded: CrystalStore, indices: list[int]
    ) -> None:
        assert_same(sharded.read(indices), expected_batch(indices))

    @pytest.mark.parametrize("number", [0, 19, 20, 39, 156])
    def test_single_crystals_at_the_ends_of_shards(
        self, sharded: CrystalStore, number: int
    ) -> None:
        assert_same(sharded.read([number]), expected_batch([number]))

    def test_numpy_indices(self, sharded: CrystalStore) -> None:
        assert_same(sharded.read(np.array([5, 3], dtype=np.int32)), expected_batch([5, 3]))

    def test_scan_covers_the_store_in_order(self, sharded: CrystalStore) -> None:
        batches = list(sharded.scan(chunk=50))
        assert [batch.num_crystals for batch in batches] == [50, 50, 50, 7]
        assert [name for batch in batches for name in batch.ids] == [c.id for c in CRYSTALS]

    def test_shards_do_not_show(self, sharded: CrystalStore, tmp_path: Path) -> None:
        single = write(tmp_path / "one")
        assert len(list((tmp_path / "one").glob("*.lmdb"))) == 1
        assert len(list(sharded.folder.glob("*.lmdb"))) == 8
        assert single.meta["content_hash"] == sharded.meta["content_hash"]
        assert_same(single.read([150, 0, 20]), sharded.read([150, 0, 20]))

    def test_missing_is_nan_or_minus_one_and_never_zero(self, tmp_path: Path) -> None:
        bare = replace(CRYSTALS[0], labels={})
        batch = write(tmp_path / "bare", [bare]).read([0])
        for name, tensor in batch.targets.items():
            missing = tensor == -1 if batch.target_info[name].is_class else torch.isnan(tensor)
            assert missing.all(), name

    def test_negative_classes_and_nan_are_stored_as_missing(self, tmp_path: Path) -> None:
        crystal = replace(CRYSTALS[0], labels={"metal": -1, "group": -5, "gap": float("nan")})
        batch = write(tmp_path / "negative", [crystal]).read([0])
        assert batch.targets["metal"].tolist() == batch.targets["group"].tolist() == [-1]
        assert torch.isnan(batch.targets["gap"]).all()

    def test_class_zero_is_not_missing(self, tmp_path: Path) -> None:
        crystal = replace(CRYSTALS[0], labels={"metal": 0, "group": 229})
        batch = write(tmp_path / "zero", [crystal]).read([0])
        assert batch.targets["metal"].tolist() == [0]
        assert batch.targets["group"].tolist() == [229]

    def test_batches_own_their_memory(self, sharded: CrystalStore) -> None:
        batch = sharded.read([4])
        batch.positions.fill_(0.0)
        batch.targets["gap"].fill_(0.0)
        assert_same(sharded.read([4]), expected_batch([4]))

    def test_shortest_and_longest_records(self, tmp_path: Path) -> None:
        """A record longer than LMDB's page, next to one of a single atom without labels."""
        large = Crystal(
            id="large",
            atomic_numbers=np.full(5000, 8),
            positions=np.random.default_rng(0).normal(size=(5000, 3)),
            cell=np.eye(3) * 50,
        )
        small = Crystal(id="", atomic_numbers=[1], positions=[[0, 0, 0]], cell=np.eye(3))
        with CrystalStoreWriter(tmp_path / "s", (), PROVENANCE) as writer:
            writer.add(large)
            writer.add(small)
        batch = CrystalStore(tmp_path / "s").read([1, 0])
        assert_same(batch, CrystalBatch.from_crystals([small, large]))


class TestWriter:
    def test_labels_of_the_wrong_size_are_refused(self, tmp_path: Path) -> None:
        bad = replace(CRYSTALS[0], labels={"forces": [1.0, 2.0]})
        with pytest.raises(DataError, match=r"'forces'.*has 2 values; it needs"):
            write(tmp_path / "bad", [bad])

    def test_a_store_is_not_overwritten(self, sharded: CrystalStore) -> None:
        with pytest.raises(DataError, match="holds a store already"):
            CrystalStoreWriter(sharded.folder, TARGETS, PROVENANCE)

    def test_an_error_while_writing_leaves_no_index(self, tmp_path: Path) -> None:
        def interrupted() -> None:
            with CrystalStoreWriter(tmp_path / "s", TARGETS, PROVENANCE, shard_size=2) as writer:
                for crystal in CRYSTALS[:3]:
                    writer.add(crystal)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert not (tmp_path / "s" / "index.json").exists()
        with pytest.raises(DataError, match=r"'index\.json' is missing"):
            CrystalStore(tmp_path / "s")

    def test_an_unfinished_store_can_be_written_again(self, tmp_path: Path) -> None:
        self.test_an_error_while_writing_leaves_no_index(tmp_path)
        assert len(write(tmp_path / "s", CRYSTALS[:5], shard_size=2)) == 5

    def test_only_shards_and_index_are_left_behind(self, tmp_path: Path) -> None:
        store = write(tmp_path / "s", CRYSTALS[:5], shard_size=2)
        names = sorted(path.name for path in store.folder.iterdir())
        assert names == ["00000.lmdb", "00001.lmdb", "00002.lmdb", "index.json"]

    def test_a_full_last_shard_is_not_followed_by_an_empty_one(self, tmp_path: Path) -> None:
        store = write(tmp_path / "s", CRYSTALS[:4], shard_size=2)
        assert len(list(store.folder.glob("*.lmdb"))) == 2
        assert len(store) == 4

    def test_length_counts_what_was_added(self, tmp_path: Path) -> None:
        with CrystalStoreWriter(tmp_path / "s", TARGETS, PROVENANCE) as writer:
            assert len(writer) == 0
            writer.add(CRYSTALS[0])
            assert len(writer) == 1

    def test_the_map_grows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Shards larger than the map LMDB starts with."""

        def small_map(path: Path) -> lmdb.Environment:
            return lmdb.open(str(path), subdir=False, map_size=1 << 15, lock=False, sync=False)

        monkeypatch.setattr(store_module, "_open_for_writing", small_map)
        monkeypatch.setattr(store_module, "_TRANSACTION", 16)
        store = write(tmp_path / "s")
        assert (store.folder / "00000.lmdb").stat().st_size > 1 << 15
        assert_same(store.read(range(157)), expected_batch(range(157)))

    def test_transactions_smaller_than_shards(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "_TRANSACTION", 7)
        store = write(tmp_path / "s", shard_size=20)
        assert_same(store.read(range(157)), expected_batch(range(157)))
        store.verify()

    def test_writing_twice_gives_the_same_hash_and_files(self, tmp_path: Path) -> None:
        one, other = write(tmp_path / "a"), write(tmp_path / "b")
        assert one.meta == other.meta
        files = [store.folder / "00000.lmdb" for store in (one, other)]
        assert files[0].read_bytes() == files[1].read_bytes()

    def test_hash_depends_on_content_and_order(self, tmp_path: Path) -> None:
        hashes = {
            write(tmp_path / str(number), crystals).meta["content_hash"]
            for number, crystals in enumerate(
                [
                    CRYSTALS[:3],
                    CRYSTALS[2::-1],
                    CRYSTALS[:2],
                    [replace(CRYSTALS[0], id="renamed"), *CRYSTALS[1:3]],
                ]
            )
        }
        assert len(hashes) == 4


class TestIndex:
    def test_provenance_and_targets_come_back(self, sharded: CrystalStore) -> None:
        assert tuple(sharded.targets.values()) == TARGETS
        content_hash = sharded.meta["content_hash"]
        assert sharded.provenance == replace(PROVENANCE, content_hash=content_hash)
        assert sharded.provenance.references[0].doi == "10/x"
        assert len(sharded) == sharded.meta["count"] == 157

    def test_every_shard_tells_where_it_comes_from(self, tmp_path: Path) -> None:
        """A shard found alone still names source, licence and units."""
        folder = write(tmp_path / "s", CRYSTALS[:50], shard_size=20).folder
        for number, path in enumerate(sorted(folder.glob("*.lmdb"))):
            with (
                lmdb.open(str(path), subdir=False, readonly=True, lock=False) as environment,
                environment.begin() as transaction,
            ):
                meta = json.loads(transaction.get(store_module.META_KEY))
            assert meta["shard"] == number
            assert meta["licence"] == "CC0-1.0"
            assert meta["targets"][0]["unit"] == "eV"

    def test_keys_are_big_endian_so_that_lmdb_keeps_the_order(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s").folder
        with (
            lmdb.open(str(folder / "00000.lmdb"), subdir=False, readonly=True, lock=False) as env,
            env.begin() as transaction,
        ):
            keys = list(transaction.cursor().iternext(values=False))
        assert keys[:-1] == [number.to_bytes(8, "big") for number in range(157)]
        assert keys[-1] == b"__meta__"

    def test_a_folder_without_index_is_no_store(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"holds no store: 'index\.json' is missing"):
            CrystalStore(tmp_path)
        with pytest.raises(DataError, match="holds no store"):
            CrystalStore(tmp_path / "absent")

    @pytest.mark.parametrize("text", ["", "{", "not json"])
    def test_a_broken_index_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(DataError, match="not valid JSON"):
            CrystalStore(tmp_path)

    @pytest.mark.parametrize(
        "content",
        [[], 3, {}, {"format": "another"}, {"format": "matsciml-store"}],
    )
    def test_another_json_file_is_no_index(self, tmp_path: Path, content: object) -> None:
        (tmp_path / "index.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match="does not describe a MatSciML store"):
            CrystalStore(tmp_path)

    def test_a_later_version_is_refused_with_the_mend(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "s", CRYSTALS[:2]).folder
        index = json.loads((folder / "index.json").read_text())
        (folder / "index.json").write_text(json.dumps(index | {"version": 3}))
        with pytest.raises(DataError, match=r"version 3.*upgrade matsciml"):
            CrystalStore(folder)

    def test_an_empty_store_has_length_zero(self, tmp_path: Path) -> None:
        store = write(tmp_path / "s", [])
        assert len(store) == 0
        assert list(store.scan()) == []
        store.verify()
        with pytest.raises(IndexError):
            store.read([0])

    @pytest.mark.parametrize("indices", [[], [157], [-1], [0, 1, 500], np.array([], dtype=int)])
    def test_indices_out_of_range(self, sharded: CrystalStore, indices: Sequence[int]) -> None:
        with pytest.raises(IndexError, match=r"\[0, 157\)"):
            sharded.read(indices)


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A store of two shards, never opened by this process before."""
        write(tmp_path / "s", CRYSTALS[:40], shard_size=20)
        return tmp_path / "s"

    def test_a_sound_store_verifies(self, folder: Path) -> None:
        CrystalStore(folder).verify()

    def test_a_flipped_byte_in_a_record_is_noticed(self, folder: Path) -> None:
        path = folder / "00001.lmdb"
        data = bytearray(path.read_bytes())
        at = data.index(CRYSTALS[30].positions.astype("<f8").tobytes())
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(DataError, match="do not match the content hash"):
            CrystalStore(folder).verify()

    def test_a_truncated_shard_raises_instead_of_ending_the_process(self, folder: Path) -> None:
        path = folder / "00001.lmdb"
        path.write_bytes(path.read_bytes()[:8192])
        store = CrystalStore(folder)
        assert_same(store.read([19]), expected_batch([19]))
        with pytest.raises(DataError, match=r"00001\.lmdb' cannot be read \(it has 8192 bytes"):
            store.read([20])

    def test_a_missing_shard_is_named(self, folder: Path) -> None:
        (folder / "00001.lmdb").unlink()
        with pytest.raises(DataError, match=r"00001\.lmdb' cannot be read"):
            CrystalStore(folder).read([20])

    def test_a_file_of_the_right_size_that_is_no_lmdb(self, folder: Path) -> None:
        path = folder / "00000.lmdb"
        path.write_bytes(b"x" * path.stat().st_size)
        with pytest.raises(DataError, match=r"00000\.lmdb' cannot be read"):
            CrystalStore(folder).read([0])

    def test_a_record_that_was_removed_is_named(self, folder: Path) -> None:
        path = folder / "00001.lmdb"
        with (
            lmdb.open(str(path), subdir=False, lock=False) as environment,
            environment.begin(write=True) as transaction,
        ):
            transaction.delete((33).to_bytes(8, "big"))
        index = json.loads((folder / "index.json").read_text())
        index["shards"][1]["bytes"] = path.stat().st_size
        (folder / "index.json").write_text(json.dumps(index))
        store = CrystalStore(folder)
        store.read([32, 34])
        with pytest.raises(DataError, match=r"Crystal 33 is missing from '.*00001\.lmdb'"):
            store.read([32, 33])

    def test_a_store_built_anew_in_the_same_place_is_read_anew(self, folder: Path) -> None:
        """The environment of the old file is still open in this process."""
        assert CrystalStore(folder).read([0]).ids == [CRYSTALS[0].id]
        remove_store(folder)
        write(folder, CRYSTALS[100:103])
        assert CrystalStore(folder).read([0]).ids == [CRYSTALS[100].id]

    def test_whoever_had_the_old_file_open_reads_the_new_one(self, folder: Path) -> None:
        """The new store has closed the environment that the old one's transactions are of."""
        old = CrystalStore(folder)
        assert old.read([0, 1]).ids == [crystal.id for crystal in CRYSTALS[:2]]
        remove_store(folder)
        assert write(folder, CRYSTALS[100:120]).read([0]).ids == [CRYSTALS[100].id]
        assert old.read([0, 1]).ids == [crystal.id for crystal in CRYSTALS[100:102]]

    def test_remove_store_tolerates_an_absent_folder(self, tmp_path: Path) -> None:
        remove_store(tmp_path / "absent")


START_METHODS = [
    # Python 3.12 and later warn of threads, torch's in this case, when a process forks.
    pytest.param("fork", marks=pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")),
    pytest.param("spawn", marks=pytest.mark.slow),
]


class TestProcesses:
    def test_pickle_is_small_and_works(self, sharded: CrystalStore) -> None:
        sharded.read([0])  # the environment is open
        data = pickle.dumps(sharded)
        assert len(data) < 20_000
        assert_same(pickle.loads(data).read([7]), expected_batch([7]))

    @pytest.mark.parametrize("opened", [True, False], ids=["opened", "unopened"])
    @pytest.mark.parametrize("method", START_METHODS)
    def test_workers_read_the_same(self, tmp_path: Path, method: str, opened: bool) -> None:
        """Whether or not the parent had the shards open when the workers started."""
        store = write(tmp_path / "s", shard_size=20)
        if opened:
            store.read(range(157))
        indices = [[0, 156, 20], [19, 19], [100]]
        with multiprocessing.get_context(method).Pool(2) as pool:
            found = [_as_numbers(batch) for batch in pool.map(store.read, indices)]
        assert found == [_as_numbers(expected_batch(chosen)) for chosen in indices]
        assert_same(store.read([3]), expected_batch([3]))

    def test_threads_read_the_same(self, sharded: CrystalStore) -> None:
        chosen = [list(np.random.default_rng(k).integers(0, 157, 32)) for k in range(200)]
        with ThreadPoolExecutor(4) as pool:
            found = [_as_numbers(batch) for batch in pool.map(sharded.read, chosen)]
        assert found == [_as_numbers(expected_batch(indices)) for indices in chosen]

    def test_threads_that_open_a_file_at_once_share_it(
        self, sharded: CrystalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = shutil.copytree(sharded.folder, tmp_path / "nobody has opened it")
        opened: list[str] = []
        really_open = lmdb.open

        def open_slowly(path: str, **options: Any) -> lmdb.Environment:
            opened.append(path)
            time.sleep(0.02)  # as on a busy machine: every other thread arrives meanwhile
            return really_open(path, **options)

        monkeypatch.setattr(lmdb, "open", open_slowly)
        together = Barrier(4)

        def read(_: int) -> list[Any]:
            together.wait()
            return _as_numbers(CrystalStore(folder).read(range(157)))

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(read, range(4)))
        assert found == [_as_numbers(expected_batch(range(157)))] * 4
        assert sorted(opened) == sorted(str(path) for path in folder.glob("*.lmdb"))

    @pytest.mark.parametrize("method", START_METHODS)
    def test_data_loader_workers(self, sharded: CrystalStore, method: str) -> None:
        dataset = StoreDataset(sharded.folder)
        loader = DataLoader(
            dataset,
            batch_size=10,
            num_workers=2,
            multiprocessing_context=method,
            collate_fn=CrystalBatch.clone,
        )
        dataset[0]  # the parent has a shard open
        found = [_as_numbers(batch) for batch in loader]
        expected = [range(first, min(first + 10, 157)) for first in range(0, 157, 10)]
        assert found == [_as_numbers(expected_batch(chosen)) for chosen in expected]

    def test_nothing_in_a_store_is_unpickled(
        self, sharded: CrystalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("something was unpickled")

        for module in (pickle, _pickle):
            for name in ("load", "loads", "Unpickler"):
                monkeypatch.setattr(module, name, refuse)
        store = CrystalStore(sharded.folder)
        store.verify()
        assert_same(store.read([0, 5]), expected_batch([0, 5]))


class TestLayout:
    """The byte layout itself, so that another program can read a store from its description."""

    LAYOUT = RecordLayout(TARGETS)

    def test_sizes(self) -> None:
        assert self.LAYOUT.fixed_words == 2 + 9 + (1 + 1 + 1 + 1 + 9)
        assert self.LAYOUT.words_per_atom == 3 + 3 + 1 + 1
        record = RecordLayout(()).encode(CRYSTALS[0])
        atoms, name = CRYSTALS[0].num_atoms, len(CRYSTALS[0].id.encode())
        assert len(record) == 8 * (11 + 3 * atoms + -(-atoms // 8) + -(-name // 8))

    def test_fields_lie_where_the_documentation_says(self) -> None:
        crystal = replace(
            CRYSTALS[8], labels={"energy": -1.5, "charge": CRYSTALS[8].positions[:, 0]}
        )
        atoms, name = crystal.num_atoms, crystal.id.encode()
        record = self.LAYOUT.encode(crystal)
        words = np.frombuffer(record, dtype="<f8")
        assert np.frombuffer(record, dtype="<u4")[:2].tolist() == [atoms, len(name)]
        assert list(record[8:16]) == [*crystal.pbc.tolist(), 0, 0, 0, 0, 0]
        assert words[2:11].tolist() == crystal.cell.ravel().tolist()
        assert words[11] == -1.5
        assert np.isnan(words[12:24]).all()
        assert words[24 : 24 + 3 * atoms].tolist() == crystal.positions.ravel().tolist()
        end = 24 + 8 * atoms
        assert words[end - atoms : end].tolist() == crystal.positions[:, 0].tolist()
        assert record[8 * end : 8 * end + atoms] == crystal.atomic_numbers.tobytes()
        assert record[8 * (end + -(-atoms // 8)) :].rstrip(b"\0") == name

    def test_records_are_whole_words(self) -> None:
        assert all(len(self.LAYOUT.encode(crystal)) % 8 == 0 for crystal in CRYSTALS)

    def test_labels_that_no_target_declares_are_not_stored(self) -> None:
        crystal = replace(CRYSTALS[0], labels={"undeclared": 1.0})
        assert self.LAYOUT.encode(crystal) == self.LAYOUT.encode(replace(crystal, labels={}))

    @pytest.mark.parametrize("at", [0, 1, 2])
    @pytest.mark.parametrize("fault", ["too short", "too long", "more atoms", "longer id"])
    def test_a_record_that_contradicts_its_header_is_refused(self, fault: str, at: int) -> None:
        """Wherever it is in the batch; reading on would mix up crystals."""
        records = [self.LAYOUT.encode(crystal) for crystal in CRYSTALS[:3]]
        header = np.frombuffer(records[at], dtype="<u4")[:2]
        records[at] = {
            "too short": records[at][:-8],
            "too long": records[at] + bytes(8),
            "more atoms": np.add(header, (9, 0)).astype("<u4").tobytes() + records[at][8:],
            "longer id": np.add(header, (0, 9)).astype("<u4").tobytes() + records[at][8:],
        }[fault]
        with pytest.raises(DataError, match="its length contradicts its header"):
            self.LAYOUT.decode(records)


def _as_numbers(batch: CrystalBatch) -> tuple:
    """Return what identifies a batch, in types that compare with ``==``."""
    energy = batch.targets["energy"].nan_to_num(nan=1e9).tolist()
    return (list(batch.ids), batch.positions.tolist(), batch.atomic_numbers.tolist(), energy)
