"""A fake of the Materials Cloud Archive, which runs InvenioRDM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from matsciml_util_sources.fake_server import Answer, Asked, FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample

DOI = "10.24435/materialscloud:s0-5n"
RECORD = "abcde-12345"
CONTENT = f"/api/records/{RECORD}/files/lips.xyz/content"
SYMBOLS = ["Li"] * 27 + ["P"] * 12 + ["S"] * 44
CELL = [[12.049484, 0.014101, -2.826268], [-3.571931, 11.145541, -3.653909]]
CELL += [[0.023363, 0.084158, 12.436688]]
FRAMES = 24
GRID = [(i, j, k) for i in range(5) for j in range(5) for k in range(5)][:83]


def positions(number: int) -> np.ndarray:
    """Cartesian positions of a frame, Å: a grid in the cell, moved along x by 0.01 Å a frame."""
    return np.array(GRID) / 5 @ np.array(CELL) + [0.01 * number, 0.0, 0.0]


def energy(number: int) -> float:
    """Total energy of a frame, eV."""
    return -357.5 - 0.03125 * number


def force(number: int, atom: int) -> tuple[float, float, float]:
    """Force on an atom, eV/Å."""
    return 0.25 * (-1) ** atom, -0.5 * (-1) ** (number + atom), 0.125


def frame(number: int) -> str:
    """Return a frame as the archive's file has it."""
    lattice = " ".join(f"{value:.6f}" for vector in CELL for value in vector)
    columns = "species:S:1:pos:R:3:forces:R:3"
    lines = [
        "83",
        f'Lattice="{lattice}" Properties={columns} energy={energy(number):.8f} pbc="T T T"',
    ]
    for atom, (symbol, place) in enumerate(zip(SYMBOLS, positions(number), strict=True)):
        values = (*place, *force(number, atom))
        lines.append(" ".join([symbol, *(f"{value:.8f}" for value in values)]))
    return "\n".join(lines) + "\n"


class Archive:
    """The routes of InvenioRDM that are used; the files have an ETag and ranges."""

    def __init__(self) -> None:
        self.file = "".join(map(frame, range(FRAMES))).encode()
        self.md5 = hashlib.md5(self.file, usedforsecurity=False).hexdigest()
        self.name = "lips.xyz"
        self.hits = [self._hit("zzzzz-00000", "10.24435/materialscloud:other")]
        self.hits.append(self._hit(RECORD, DOI.upper()))

    def _hit(self, record: str, doi: str) -> dict:
        return {"id": record, "links": {}, "pids": {"doi": {"identifier": doi}}}

    def records(self, asked: Asked) -> Answer:
        """Search by ``q=pids.doi.identifier:"…"``."""
        if not asked.query.get("q", "").startswith("pids.doi.identifier:"):
            return Answer(status=400)
        return _json({"hits": {"total": len(self.hits), "hits": self.hits}})

    def files(self, asked: Asked) -> Answer:
        """List the files of the record."""
        entry = {"key": self.name, "size": len(self.file), "checksum": f"md5:{self.md5}"}
        entry["links"] = {"content": "http://inner.address/content"}
        other = {**entry, "key": "fcu.xyz", "size": 3}
        return _json({"enabled": True, "entries": [other, entry]})


def _json(data: object) -> Answer:
    return Answer(json.dumps(data).encode(), headers={"Content-Type": "application/json"})


@contextmanager
def serve() -> Iterator[FaultServer]:
    """Run the archive."""
    archive = Archive()
    with FaultServer() as server:
        server.files[CONTENT] = archive.file
        server.handlers["/api/records"] = archive.records
        server.handlers[f"/api/records/{RECORD}/files"] = archive.files
        # Where the search finds nothing, the DOI itself leads to the record's page.
        page = Answer(status=302, headers={"Location": f"{server.url}/records/{RECORD}"})
        server.handlers["/10.24435/"] = lambda asked: page
        server.handlers["/records/"] = lambda asked: Answer(b"<html>LiPS</html>")
        yield server


SOURCES = {
    "lips": FakeSource(
        serve=serve,
        mirrors=("archive.materialscloud.org", "doi.org"),
        sample=Sample(
            id="lips-000003",
            atomic_numbers=[3] * 27 + [15] * 12 + [16] * 44,
            positions=positions(3).tolist(),
            cell=CELL,
            labels={"energy": -357.59375, "forces": [force(3, atom) for atom in range(83)]},
        ),
        slow={CONTENT: ["drip:0.01"]},
    )
}
