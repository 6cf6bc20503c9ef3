"""Every record of a source ends up in the store or in the manifest, kill or no kill."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from matsciml_core.data import CrystalStore, CrystalStoreWriter, Rejection, ingest
from matsciml_core.data.ingestion.conversion import (
    ParallelSource,
    from_iterable,
    read_manifest,
    reason_of,
)
from matsciml_core.data.ingestion.pool import PoolConfig
from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.specs import Reference
from matsciml_core.registry.targets import TargetInfo

TARGETS = (
    TargetInfo(name="energy", kind="energy", unit="eV"),
    TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
)
PROVENANCE = Provenance(
    source="test",
    release="1",
    licence="CC0-1.0",
    references=(Reference(key="a", authors="A", title="B", venue="C", year=2020),),
)


def make(number: int, **changes) -> Crystal:
    random_numbers = np.random.default_rng(number)
    atoms = 1 + number % 3
    fields = {
        "id": f"c-{number}",
        "atomic_numbers": random_numbers.integers(1, 90, atoms),
        "positions": np.arange(atoms)[:, None] * np.array([1.5, 1.0, 0.5]),
        "cell": np.eye(3) * 4.0,
        "labels": {"energy": -float(number), "forces": random_numbers.normal(size=(atoms, 3))},
    }
    return Crystal(**{**fields, **changes})


def items(start: int = 0, stop: int = 2600):
    for number in range(start, stop):
        if number % 50 == 7:
            yield Rejection(f"c-{number}", "no structure")
        elif number % 50 == 8:
            yield make(number, positions=np.zeros((1 + number % 3, 3)))
        elif number % 50 == 9:
            yield make(number, id="c-0")
        else:
            yield make(number)


def build(folder, source=items, **changes):
    options = {"targets": TARGETS, "provenance": PROVENANCE, "shard_size": 700}
    return ingest(source, folder, **{**options, **changes})


def read_piece(bounds: tuple[int, int]):
    """Yield the records of a piece; for other processes."""
    yield from items(*bounds)


def pieces(start: int, size: int = 170, stop: int = 2600):
    """Yield the pieces from the one that holds a record on."""
    for first in range(start - start % size, stop, size):
        yield (first, min(first + size, stop)), max(0, start - first)


IN_PIECES = ParallelSource(pieces=pieces, read=read_piece)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The store as it is made without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    build(folder)
    return folder


def test_every_record_is_stored_or_counted(whole):
    manifest = read_manifest(whole)
    assert manifest is not None
    counts = {reason: entry["count"] for reason, entry in manifest.rejected.items()}
    # One atom at the origin is a crystal; two or three on top of each other are none.
    overlaps = [n for n in range(2600) if n % 50 == 8 and n % 3]
    assert counts["no structure"] == 52
    assert counts["The id was used before."] == 52
    assert sum(counts.values()) == 104 + len(overlaps)
    assert manifest.records == 2600
    assert manifest.accepted + sum(counts.values()) == 2600
    assert len(CrystalStore(whole)) == manifest.accepted
    assert manifest.rejected["no structure"]["examples"][0] == "c-7"


def test_the_store_is_what_the_plain_writer_would_have_made(whole, tmp_path):
    with CrystalStoreWriter(tmp_path / "s", TARGETS, PROVENANCE, shard_size=700) as writer:
        for number, item in enumerate(items()):
            alone = number % 50 == 8 and number % 3 == 0
            if isinstance(item, Crystal) and (number % 50 not in (8, 9) or alone):
                writer.add(item)
    ours, plain = CrystalStore(whole), CrystalStore(tmp_path / "s")
    assert ours.meta == plain.meta
    ours.verify()
    for one, two in zip(ours.scan(), plain.scan(), strict=True):
        assert one.ids == two.ids
        assert one.targets["energy"].tolist() == two.targets["energy"].tolist()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_source_in_pieces_makes_the_same_store_whoever_reads_it(whole, tmp_path, workers):
    build(tmp_path, IN_PIECES, pool=PoolConfig(workers=workers))
    assert content(tmp_path) == content(whole)


@pytest.mark.parametrize("stop", [1, 999, 1000, 1700, 2599])
def test_a_source_in_pieces_is_resumed_within_a_piece(whole, tmp_path, stop):
    def failing(bounds):
        for number, item in enumerate(items(*bounds), bounds[0]):
            if number == stop:
                raise OSError("gone")
            yield item

    with pytest.raises(OSError, match="gone"):
        build(tmp_path, ParallelSource(pieces=pieces, read=failing))
    asked = []

    def noted(start):
        asked.append(start)
        return pieces(start)

    build(tmp_path, ParallelSource(pieces=noted, read=read_piece))
    assert content(tmp_path) == content(whole)
    assert len(asked) == 1
    assert max(0, stop - 1000) <= asked[0] <= stop


def test_marks_are_stored_where_they_are_named(tmp_path):
    one = make(0, site_properties={"fixed": [1], "other": [9]})
    two = make(1, site_properties={"other": [8, 9], "fixed": [1, 0]})
    build(tmp_path, from_iterable(lambda: [one, two, make(2)]), site_properties=("fixed",))
    store = CrystalStore(tmp_path)
    batch = store.read(range(3))
    assert store.meta["site_properties"] == ["fixed"]
    assert list(batch.site_properties) == ["fixed"]
    assert batch.site_properties["fixed"].tolist() == [1, 1, 0, 0, 0, 0]
    assert batch.crystals()[1].site_properties["fixed"].tolist() == [1, 0]


def test_a_finished_store_is_not_read_again(whole):
    def never(start):
        raise AssertionError("the source was read")

    before = content(whole)
    assert build(whole, never).records == 2600
    assert content(whole) == before


def test_a_store_of_another_source_is_not_overwritten(whole):
    with pytest.raises(DataError, match="another source"):
        build(whole, fingerprint="other")


def test_files_of_somebody_else_are_not_touched(whole, tmp_path):
    (tmp_path / "000.lmdb").write_bytes(b"precious")
    with pytest.raises(DataError, match="do not belong to an unfinished store"):
        build(tmp_path)
    assert (tmp_path / "000.lmdb").read_bytes() == b"precious"


def test_a_store_without_a_manifest_is_not_overwritten(tmp_path):
    with CrystalStoreWriter(tmp_path, TARGETS, PROVENANCE) as writer:
        writer.add(make(1))
    with pytest.raises(DataError, match="another source"):
        build(tmp_path)
    assert len(CrystalStore(tmp_path)) == 1


def test_two_processes_do_not_write_one_store(tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(DataError, match="Another process"):
        build(tmp_path)


@pytest.mark.parametrize("stop", [0, 699, 1000, 1001, 2599])
def test_an_exception_at_any_record_costs_nothing(whole, tmp_path, stop):
    def failing(start):
        for number, item in enumerate(items(start), start):
            if number == stop:
                raise RuntimeError("stop")
            yield item

    with pytest.raises(RuntimeError, match="stop"):
        build(tmp_path, failing)
    starts = []
    build(tmp_path, lambda start: starts.append(start) or items(start))
    assert stop - 1256 < starts[0] <= stop
    assert content(tmp_path) == content(whole)


def test_another_source_begins_anew(whole, tmp_path):
    with pytest.raises(RuntimeError):
        build(tmp_path, lambda start: _then_fail(items(start, 1500)), fingerprint="old")
    starts = []
    build(tmp_path, lambda start: starts.append(start) or items(start))
    assert starts == [0]
    assert content(tmp_path) == content(whole)


def _then_fail(these):
    yield from these
    raise RuntimeError


def test_a_long_row_of_rejections_is_resumed_too(tmp_path):
    def source(start):
        for number in range(start, 3500):
            if number == 3100 and not start:
                raise RuntimeError("stop")
            yield make(number) if number > 3300 else Rejection(str(number), "empty")

    with pytest.raises(RuntimeError):
        build(tmp_path, source)
    starts = []
    manifest = build(tmp_path, lambda start: starts.append(start) or source(start))
    assert starts == [3000]
    assert (manifest.records, manifest.accepted) == (3500, 199)


def test_infinite_labels_and_wrong_shapes_are_rejected(tmp_path):
    crystals = [
        make(1),
        make(2, labels={"energy": np.inf}),
        make(3, labels={"forces": np.zeros((7, 3))}),
        make(4, labels={}),
    ]
    manifest = build(tmp_path, from_iterable(lambda: crystals))
    assert manifest.accepted == 2
    assert set(manifest.rejected) == {
        "The label 'energy' is infinite.",
        "Label '…' of crystal '…' has … values; it needs … ….",
    }
    missing = CrystalStore(tmp_path).read([1])
    assert np.isnan(missing.targets["energy"][0].item())


def test_a_source_without_a_crystal_is_an_error_with_its_reason(tmp_path):
    with pytest.raises(DataError, match=r"None of the 3 records .* no structure"):
        build(
            tmp_path, from_iterable(lambda: [Rejection(str(k), "no structure") for k in range(3)])
        )
    assert read_manifest(tmp_path) is None


def test_fractional_coordinates_are_caught(tmp_path):
    wrong = make(
        2, positions=np.array([[0.0, 0, 0], [0.3, 0.1, 0.2], [0.2, 0.3, 0.1]]), cell=np.eye(3) * 5.0
    )
    with pytest.raises(DataError, match="look fractional"):
        build(tmp_path, from_iterable(lambda: [wrong]))


def test_reasons_do_not_name_the_record():
    assert reason_of(ValueError("Crystal 'x' has 3.2 Å³ and -1e-5 of 7.")) == (
        "Crystal '…' has … Å³ and … of …."
    )


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from test_ingestion import build, items
import time

def slow(start):
    for number, item in enumerate(items(start), start):
        if number % 10 == 0:
            time.sleep(0.01)  # 2.6 s in all: as long as the moments at which it is killed
        yield item

build(sys.argv[1], slow)
"""


@pytest.mark.slow
def test_kill_minus_nine_at_random_moments_changes_nothing(whole, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(Path(__file__).parent)]
    moments = random.Random(5)
    kills = 0
    for _ in range(8):
        process = subprocess.Popen(command)
        while not (tmp_path / "ingest.json").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 2.5))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 3
    subprocess.run(command, check=True)
    assert content(tmp_path) == content(whole)
    assert json.loads((tmp_path / "manifest.json").read_text())["records"] == 2600
