"""Some three hundred inputs that are meant to be refused, made anew from a seed; all harmless.

Each is an honest file with a few bytes changed, left out or repeated, or a small file of a form
that asks for too much: too deep, too often, of a name that leads elsewhere. None holds code.
"""

from __future__ import annotations

import gzip
import io
import pickle
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lmdb
import numpy as np
import torch

from matsciml_core.data.readers import read
from matsciml_core.data.readers.foreign_lmdb import count_lmdb, read_lmdb
from matsciml_core.files import refuse_links
from matsciml_core.interfaces.split import Split
from matsciml_core.model.location import read_description
from matsciml_core.model.storage import load_tensors
from matsciml_core.registry.imported import imported_records
from matsciml_core.training.config_data import read_config_file
from matsciml_util_pages.run_files import read_run
from matsciml_util_sources.archive import unpack
from matsciml_util_toolkit_lmdb.whitelist_pickle import load_plain

SEED = 20260301
CONFIG = """
datasets:
- {name: mp, max_atoms: 20}
encoder: {name: egnn, width: 32, cutoff: 5.0}
head: {name: regression, hidden: [64, 32]}
training: {epochs: 3, seed: 0, device: cpu}
"""
FRAMES = 'Lattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5'


INSERTED = (b"[" * 200, b"{", b'"', b"\x00", b"&a ")
PARTS = (
    "..", ".", "", "/", "a", "x.part", "unpacked.json", "unpacking.jsonl", "a\x1b[2J", "b.lmdb",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Inputs of one kind.

    Args:
        name: As the table calls it.
        make: Takes random numbers and yields contents, endlessly or as many as there are.
        attempt: Takes a content and an empty folder, and reads it as the product does.
        count: How many to take.
    """

    name: str
    make: Callable[[random.Random], Iterator[bytes]]
    attempt: Callable[[bytes, Path], object]
    count: int


def changed(honest: bytes) -> Callable[[random.Random], Iterator[bytes]]:
    """Return what yields copies of an honest content with some bytes changed."""

    def make(numbers: random.Random) -> Iterator[bytes]:
        while True:
            data = bytearray(honest)
            for _ in range(numbers.randint(1, 8)):
                place = numbers.randrange(len(data))
                match numbers.randrange(4):
                    case 0:
                        data[place] = numbers.randrange(256)
                    case 1:
                        del data[place : place + numbers.randint(1, 20)]
                    case 2:
                        data[place:place] = data[place : place + 20] * numbers.randint(1, 20)
                    case 3:
                        data[place:place] = numbers.choice(
                            [b"[" * 200, b"{", b'"', b"\x00", b"&a "]
                        )
                if not data:
                    data = bytearray(b"0")
            yield bytes(data)

    return make


def deep(honest: bytes) -> Callable[[random.Random], Iterator[bytes]]:
    """Return what yields changed copies, and now and then something that is only deep or large."""

    def make(numbers: random.Random) -> Iterator[bytes]:
        for data in changed(honest)(numbers):
            depth = numbers.choice([65, 1000, 50_000])
            extremes = (b"[" * depth, b"[" * depth + b"]" * depth, b'{"a":' * depth, b"- " * depth)
            yield numbers.choice(extremes) if numbers.random() < 0.3 else data

    return make


def record() -> bytes:
    """Return an honest record of a toolkit."""
    data = {"pos": torch.ones(4, 3), "z": np.arange(4), "cell": np.eye(3), "id": "mp-1", "y": -1.5}
    return pickle.dumps(data, 2)


def frames() -> bytes:
    """Return honest frames of extended XYZ."""
    return f"2\n{FRAMES}\nH 0 0 0 0 0 0\nO 1 1 1 0 0 0\n".encode() * 5


def put(folder: Path, name: str, data: bytes) -> Path:
    """Write a file of the test's own, and return it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def cut_lmdb(numbers: random.Random) -> Iterator[bytes]:
    """Yield LMDB files that end within a page, and files that are none."""

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.lmdb"
        with (
            lmdb.open(str(path), subdir=False, lock=False) as environment,
            environment.begin(write=True) as transaction,
        ):
            for key in range(20):
                transaction.put(str(key).encode(), bytes(3000))
        whole = path.read_bytes()
    while True:
        size = numbers.randrange(len(whole))
        yield whole[: size - size % 4096 + numbers.randint(1, 4095)]
        yield numbers.randbytes(9000)


def members(numbers: random.Random) -> Iterator[bytes]:
    """Yield archives whose members have names that lead elsewhere, or are ours."""
    while True:
        names = ["/".join(numbers.choices(PARTS, k=numbers.randint(1, 4))) for _ in range(3)]
        stream = io.BytesIO()
        if numbers.random() < 0.5:
            with zipfile.ZipFile(stream, "w") as archive:
                for name in dict.fromkeys(names):
                    archive.writestr(name or "a", b"content")
        else:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                for name in names:
                    info = tarfile.TarInfo(name or "a")
                    info.type = numbers.choice([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
                    info.linkname = "../outside"
                    info.size = 7 if info.type == tarfile.REGTYPE else 0
                    archive.addfile(info, io.BytesIO(b"content"))
        yield stream.getvalue()


def import_file(name: str) -> Callable[[bytes, Path], object]:
    """Return what reads a content as a file of some name, as ``data import`` does."""

    return lambda data, folder: list(read(put(folder, name, data), "extxyz"))


def imported(data: bytes, folder: Path) -> object:
    """List the datasets of a folder with one record."""
    put(folder, "datasets/mine/dataset.json", data)
    records = imported_records(folder)
    assert [one.entry_point for one in records] == ["mine"]
    return records


def run_of(name: str) -> Callable[[bytes, Path], object]:
    """Return what reads a run folder in which one file has the content."""

    def attempt(data: bytes, folder: Path) -> object:
        put(folder, "config.yaml", CONFIG.encode())
        put(folder, name, data)
        refuse_links(folder)
        return read_run(folder)

    return attempt


def linked(data: bytes, folder: Path) -> object:
    """Read a run folder that holds a link."""
    put(folder, "config.yaml", CONFIG.encode())
    link = folder / data.decode()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder.parent)
    refuse_links(folder)
    return read_run(folder)


def link_names(numbers: random.Random) -> Iterator[bytes]:
    """Yield names of links."""
    parts = ("report.html", "run.json", "a.part", "b", "c")
    while True:
        yield f"{'sub/' * numbers.randrange(3)}{numbers.choice(parts)}".encode()


SUMMARY = b'{"status": "finished", "metrics": {"test": {"mp/gap": {"mae": 0.5}}}}'
MODEL = b"""{"format": "matsciml-model", "version": 1, "heads": [],
 "encoder": {"name": "egnn", "config": {}}}"""
DATASET = b"""{"format": "matsciml-dataset", "version": 1, "store": "store",
 "summary": "Crystals."}"""
SPLIT = b'{"algorithm": "x", "seed": 0, "subsets": {"train": ["a"]}, "sha256": ""}'
HEADER = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
TENSORS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(8)
PREDICTIONS = b"dataset,target,id,index,label,prediction\nmp,gap,a,0,1,2\n"

KINDS = (
    Kind("records of toolkits (pickles)", changed(record()), lambda d, f: load_plain(d), 60),
    Kind("LMDB, cut off or none", cut_lmdb,
         lambda d, f: (count_lmdb(put(f, "a.lmdb", d)), list(read_lmdb(f / "a.lmdb"))), 20),
    Kind("configurations", deep(CONFIG.encode()),
         lambda d, f: read_config_file(put(f, "c.yaml", d)), 40),
    Kind("records of imported datasets", deep(DATASET), imported, 30),
    Kind("extended XYZ", changed(frames()), import_file("a.xyz"), 30),
    Kind("extended XYZ, compressed", changed(gzip.compress(frames())), import_file("a.xyz.gz"), 20),
    Kind("archives", members,
         lambda d, f: unpack(put(f, "a.bin", d), f / "out", lambda name: name), 30),
    Kind("summaries of runs", deep(SUMMARY), run_of("run.json"), 20),
    Kind("predictions of runs", changed(PREDICTIONS),
         run_of("predictions-test.csv"), 15),
    Kind("run folders with links", link_names, linked, 10),
    Kind("descriptions of models", deep(MODEL),
         lambda d, f: read_description(put(f, "model.json", d)), 20),
    Kind("tensors of models", changed(TENSORS),
         lambda d, f: (put(f, "model.safetensors", d), load_tensors(f)), 10),
    Kind("splits", deep(SPLIT), lambda d, f: Split.load(put(f, "split.json", d)), 10),
)  # fmt: skip
