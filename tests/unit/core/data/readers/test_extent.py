"""How much of a source has been read, from the bytes of its files."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import pytest

from matsciml_core.data.ingestion.conversion import ingest
from matsciml_core.data.readers import read
from matsciml_core.data.readers.id_hashes import IdHashes
from matsciml_core.data.readers.import_request import ImportRequest, parse_files
from matsciml_core.data.readers.input_file import Extent, InputFile
from matsciml_core.progress import Progress
from matsciml_core.registry.manager import build_registry

FRAMES = 8000
FRAME = (
    '2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 energy=-3.{0:05d} pbc="T T T"\n'
    "Na 0 0 0\nCl 2.0{0:05d} 2 2\n"
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Let readers take a small part of these files at a time, as they do of large ones."""
    monkeypatch.setattr("matsciml_core.data.readers.extxyz.scan.BLOCK", 1 << 14)
    monkeypatch.setattr("matsciml_core.data.readers.input_file._BUFFER", 1 << 14)


@pytest.fixture
def frames(tmp_path) -> Path:
    path = tmp_path / "frames.xyz"
    path.write_text("".join(FRAME.format(number) for number in range(FRAMES)))
    return path


def packed(path: Path, folder: Path) -> Path:
    out = folder / "frames.xyz.gz"
    out.write_bytes(gzip.compress(path.read_bytes()))
    return out


@pytest.mark.parametrize("compressed", [False, True])
def test_the_share_grows_with_the_records(frames, tmp_path, compressed):
    path = packed(frames, tmp_path) if compressed else frames
    extent = Extent(path.stat().st_size)
    records = read(path, extent=extent)
    shares = []
    for _ in range(3):
        list(islice(records, FRAMES // 4))
        shares.append(extent.share)
    ahead = 0.2 if compressed else 0.1  # gzip reads some kilobytes ahead, of few in all
    assert shares == pytest.approx([0.25, 0.5, 0.75], abs=ahead)
    list(records)
    assert extent.share is None


def test_files_before_the_present_one_count_as_read(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.xyz").write_text(FRAME.format(number))
    extent = Extent(sum(file.stat().st_size for file in folder.iterdir()))
    records = read(folder, extent=extent)
    list(islice(records, 3))
    assert extent.share is not None
    assert 0.5 <= extent.share <= 0.75
    extent.restart()
    assert extent.share is None


def test_an_unpacked_file_is_closed_with_the_packed_one(frames, tmp_path):
    extent = Extent(1)
    with InputFile(packed(frames, tmp_path), extent).open() as stream:
        stream.read(10)
        inner = extent._stream
        assert inner is not None
        assert not inner.closed
    assert inner.closed


def test_an_import_tells_about_how_many_records_there_are(frames, tmp_path):
    request = ImportRequest(paths=(frames,), labels=("energy=eV",))
    conversion = parse_files(request, build_registry())
    events: list[Progress] = []
    ingest(
        conversion.source,
        tmp_path / "store",
        targets=conversion.targets,
        provenance=conversion.provenance,
        share=conversion.share,
        report=events.append,
    )
    estimates = [event.total for event in events if event.estimated]
    assert estimates
    assert all(total is not None and 0.8 < total / FRAMES < 1.25 for total in estimates)
    assert (events[-1].done, events[-1].estimated) == (FRAMES, False)


def test_ids_are_new_once_however_many_there_are():
    known = IdHashes()
    names = [f"crystal-{number}" for number in range(20_000)]
    assert all(known.add(name) for name in names)
    assert not any(known.add(name) for name in names)
    assert known.add("another")
