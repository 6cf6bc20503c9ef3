"""Fakes of the Materials Project: its bucket and its interface, with their habits.

The two handlers are also the documentation of the protocols: what is asked, and what comes back.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from matsciml_util_sources.fake_server import Answer, Asked, FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample

BUCKET_HOST = "materialsproject-build.s3.amazonaws.com"
API_HOST = "api.materialsproject.org"
KEY = "abcdefghijklmnopqrstuvwxyz012345"
RELEASE = "2022-10-28"
TABLE_RELEASE = "2026-04-13"
VERSION = "2026.04.13"
"""How the interface writes the version of its database."""
FETCH_ARGUMENTS = ("--release", RELEASE)

SAMPLE = Sample(
    id="mp-22862",
    atomic_numbers=(11, 17),
    # Face-centred cubic with a = 5.64 Å; Cl at half of each lattice vector: 0.5 (2.82 + 2.82) Å.
    positions=((0.0, 0.0, 0.0), (2.82, 2.82, 2.82)),
    cell=((0.0, 2.82, 2.82), (2.82, 0.0, 2.82), (2.82, 2.82, 0.0)),
    labels={
        "formation_energy_per_atom": -2.1,  # eV/atom
        "energy_above_hull": 0.0,  # eV/atom
        "band_gap": 5.2,  # eV
        "fermi_energy": -0.5,  # eV
        "space_group": 224,  # Fm-3m is number 225
        "is_stable": 1,
        "is_metal": 0,
        "is_magnetic": 0,
    },
    missing=("total_magnetization",),
)

_SYSTEMS = {
    1: [[3.1, 0.0, 0.0], [0.4, 3.3, 0.0], [0.3, 0.5, 3.6]],
    12: [[3.1, 0.0, 0.0], [0.0, 3.3, 0.0], [0.6, 0.0, 3.6]],
    62: [[3.1, 0.0, 0.0], [0.0, 3.3, 0.0], [0.0, 0.0, 3.6]],
    123: [[3.2, 0.0, 0.0], [0.0, 3.2, 0.0], [0.0, 0.0, 3.7]],
    160: [[3.4, 0.2, 0.2], [0.2, 3.4, 0.2], [0.2, 0.2, 3.4]],
    187: [[3.4, 0.0, 0.0], [-1.7, 2.944486, 0.0], [0.0, 0.0, 3.6]],
    221: [[3.3, 0.0, 0.0], [0.0, 3.3, 0.0], [0.0, 0.0, 3.3]],
}
"""A cell for one space group of each crystal system, rows in Å."""
_METALS = ("Na", "Mg", "Fe", "Ti", "K", "Zn", "Ca", "Mn", "Al")
_OTHERS = ("Cl", "O", "S", "N", "Br")


def record(number: int, **changes: Any) -> dict[str, Any]:
    """Return a record of the summary, one of an endless number."""
    groups = list(_SYSTEMS)
    group = groups[number % len(groups)]
    pair = _METALS[number % len(_METALS)], _OTHERS[number // 9 % len(_OTHERS)]
    stretch = 1.0 + 0.004 * (number % 50)
    gap = 0.0 if number % 3 == 0 else 0.25 * (number % 11)
    return {
        "material_id": f"mp-{1000 + number}",
        "nsites": 2,
        "structure": structure(
            [[stretch * x for x in row] for row in _SYSTEMS[group]],
            [(pair[0], [0.0, 0.0, 0.0]), (pair[1], [0.5, 0.5, 0.5])],
        ),
        "symmetry": {"number": group, "symprec": 0.1, "version": "2.0.2"},
        "deprecated": False,
        "builder_meta": {"license": "BY-C", "batch_id": None},
        "formation_energy_per_atom": -0.2 - 0.05 * (number % 37),
        "energy_above_hull": 0.01 * (number % 4),
        "is_stable": number % 4 == 0,
        "band_gap": gap,
        "efermi": 0.5 + 0.1 * (number % 13),
        "energy_per_atom": -4.0 - 0.03 * (number % 29),
        "uncorrected_energy_per_atom": -3.8 - 0.03 * (number % 29),
        "is_metal": gap == 0.0,
        "is_magnetic": number % 5 == 0,
        "total_magnetization": 0.5 * (number % 5),
        **changes,
    }


def structure(cell: list[list[float]], sites: list[tuple[str, list[float]]]) -> dict[str, Any]:
    """Return a structure as pymatgen writes it."""
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "charge": 0,
        "lattice": {"matrix": cell, "pbc": [True, True, True]},
        "sites": [
            {
                "species": [{"element": element, "occu": 1}],
                "abc": place,
                "xyz": [sum(place[k] * cell[k][i] for k in range(3)) for i in range(3)],
                "label": element,
                "properties": {"magmom": 0.0},
            }
            for element, place in sites
        ],
    }


def _halite() -> dict[str, Any]:
    """Return rock salt, as :data:`SAMPLE` describes it."""
    cell = [list(row) for row in SAMPLE.cell]
    return record(
        0,
        material_id=SAMPLE.id,
        structure=structure(cell, [("Na", [0.0, 0.0, 0.0]), ("Cl", [0.5, 0.5, 0.5])]),
        symmetry={"number": 225, "symprec": 0.1},
        formation_energy_per_atom=-2.1,
        energy_above_hull=0.0,
        is_stable=True,
        band_gap=5.2,
        efermi=-0.5,
        is_metal=False,
        is_magnetic=False,
        total_magnetization=None,
    )


def _odd_ones() -> list[dict[str, Any]]:
    """Return the records with something to notice, the rejected ones among them."""
    cubic = _SYSTEMS[221]
    mixed = structure(cubic, [("Fe", [0.0, 0.0, 0.0]), ("S", [0.5, 0.5, 0.5])])
    mixed["sites"][0]["species"] = [{"element": "Fe", "occu": 0.5}, {"element": "Co", "occu": 0.5}]
    close = structure(cubic, [("Fe", [0.5, 0.5, 0.5]), ("S", [0.55, 0.5, 0.5])])
    gnome = {"license": "BY-NC", "batch_id": "gnome_r2scan_statics"}
    return [
        record(200, material_id="mp-1", deprecated=True),
        record(201, material_id="mp-2", builder_meta=gnome),
        record(202, material_id="mp-3", builder_meta={"batch_id": "gnome_r2scan_statics"}),
        record(203, material_id="mp-4", nsites=1, structure=structure(cubic, [("Fe", [0, 0, 0])])),
        record(204, material_id="mp-5", structure=mixed),
        record(205, material_id="mp-6", structure=close),
        record(206, material_id="mp-7", structure=None),
        record(207, material_id="mp-8", nsites=3),
        record(208, material_id="mp-1001"),
        record(209, material_id="mp-9", efermi="unknown"),
        record(210, material_id="mvc-10", band_gap=None, efermi=None, symmetry=None),
        record(211, material_id="mp-11", builder_meta=None, is_stable=None, is_magnetic=None),
    ]


REJECTED = {
    "It comes from GNoME under BY-NC; --set include_gnome=true takes it along.": 2,
    "The Materials Project has withdrawn it (deprecated).": 1,
    "It has fewer than 2 sites in the cell.": 1,
    "A site holds several species, or is only partly occupied.": 1,
    "Crystal '…' has atoms … Å apart; nothing is closer than … Å. Check the positions and the "
    "cell.": 1,
    "It has no structure.": 1,
    "The structure has another number of sites than stated.": 1,
    "The id was used before.": 1,
    "A field holds something else than it should.": 1,
}
"""What becomes of the odd ones, by reason."""
ACCEPTED = 63 + 1 + 2
"""Crystals in a store of all records: the endless ones, rock salt, and two odd ones."""


def records() -> list[dict[str, Any]]:
    """Return all the records of a release, in the order of their objects."""
    return [_halite(), *map(record, range(63)), *_odd_ones()]


@dataclass
class FakeProject:
    """The bucket and the interface."""

    objects: dict[str, bytes] = field(default_factory=dict)
    """Objects of the bucket by key."""
    version: str = VERSION
    most_keys: int = 5
    """Objects per answer of a listing; the real one gives 1,000."""
    most_records: int = 20
    """Records per answer of the interface; the real one gives 1,000."""
    key: str = KEY
    """The key that is valid."""

    def __post_init__(self) -> None:
        """Fill the bucket."""
        self.objects.update(release_objects(RELEASE))
        for name in ("thermo", "materials"):
            self.objects[f"collections/{RELEASE}/{name}/nelements=1.jsonl.gz"] = pack([{}])
        self.objects["collections/2023-11-01/summary/nelements=2.jsonl.gz"] = pack([record(0)])
        self.objects["images/mp-1.png"] = b"no data"

    def install(self, server: FaultServer) -> None:
        """Serve both from one server; the interface by its two paths, all else by the bucket."""
        server.handlers["/"] = self.bucket
        server.handlers["/heartbeat"] = self.heartbeat
        server.handlers["/materials/summary/"] = self.summary

    def bucket(self, asked: Asked) -> Answer:
        """Answer as S3: a listing as XML, or an object with its MD5 as ETag."""
        if asked.path == "/" and asked.query.get("list-type") == "2":
            return self._listing(asked.query)
        body = self.objects.get(unquote(asked.path).lstrip("/"))
        if body is None:
            return Answer(b"<Error><Code>NoSuchKey</Code></Error>", 404)
        return Answer(body, headers={"ETag": f'"{md5(body)}"', "Accept-Ranges": "bytes"})

    def _listing(self, query: Mapping[str, str]) -> Answer:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries: dict[str, str] = {}
        for key in sorted(self.objects):
            if not key.startswith(prefix):
                continue
            folder, found, _ = key[len(prefix) :].partition(delimiter or "\0")
            name = f"{prefix}{folder}{delimiter}" if found else key
            entries[name] = self._common(name) if found else self._contents(key)
        names = list(entries)
        # The token is the name to begin with; to a client it is a word without meaning.
        first = names.index(query["continuation-token"]) if "continuation-token" in query else 0
        last = first + min(self.most_keys, int(query.get("max-keys", 1000)))
        token = names[last] if last < len(names) else ""
        following = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>materialsproject-build</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<IsTruncated>{str(bool(token)).lower()}</IsTruncated>"
            f"{''.join(entries[name] for name in names[first:last])}{following if token else ''}"
            "</ListBucketResult>"
        )
        return Answer(text.encode(), headers={"Content-Type": "application/xml"})

    def _contents(self, key: str) -> str:
        body = self.objects[key]
        return (
            f"<Contents><Key>{escape(key)}</Key><ETag>&quot;{md5(body)}&quot;</ETag>"
            f"<Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )

    def _common(self, name: str) -> str:
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"

    def heartbeat(self, asked: Asked) -> Answer:
        """Answer which version the database has."""
        state = {"db_version": self.version, "access_controlled_batch_ids": ["more_nc"]}
        return self._with_key(asked, state)

    def summary(self, asked: Asked) -> Answer:
        """Answer a page of records; the interface leaves out withdrawn ones unless asked."""
        if len(asked.path) + sum(map(len, asked.query.values())) > 8000:
            return Answer(status=414)
        withdrawn = asked.query.get("deprecated", "false") == "true"
        chosen = [one for one in records() if one["deprecated"] == withdrawn]
        chosen.sort(key=lambda one: one[asked.query["_sort_fields"]])
        first = int(asked.query["_skip"])
        last = first + min(self.most_records, int(asked.query["_limit"]))
        fields = asked.query["_fields"].split(",")
        rows = [{name: one.get(name) for name in fields} for one in chosen[first:last]]
        meta = {"total_doc": len(chosen), "max_limit": self.most_records}
        return self._with_key(asked, {"data": rows, "meta": meta})

    def _with_key(self, asked: Asked, answer: Any) -> Answer:
        if asked.headers.get("x-api-key") != self.key:
            return Answer(b'{"message": "Invalid authentication credentials"}', 401)
        return Answer(json.dumps(answer).encode(), headers={"Content-Type": "application/json"})


def release_objects(release: str) -> dict[str, bytes]:
    """Return a release by number of elements and space group, with its list of contents."""
    sorted_in: dict[str, list[dict[str, Any]]] = {}
    for one in records():
        sites = ((one["structure"] or {}).get("sites")) or ()
        elements = {kind["element"] for site in sites for kind in site["species"]}
        group = (one["symmetry"] or {}).get("number", 1)
        name = f"nelements={len(elements) or 1}/symmetry_number={group}.jsonl.gz"
        sorted_in.setdefault(name, []).append(one)
    contents = [{"material_id": one["material_id"]} for one in records()]
    files = {**sorted_in, "manifest.jsonl.gz": contents}
    return {f"collections/{release}/summary/{name}": pack(rows) for name, rows in files.items()}


def table_objects(release: str) -> dict[str, bytes]:
    """Return a release as one table; pyarrow writes it."""
    import pyarrow
    import pyarrow.parquet

    readable = [one for one in records() if one["efermi"] != "unknown"]
    buffer = io.BytesIO()
    table = pyarrow.Table.from_pylist(readable)
    pyarrow.parquet.write_table(table, buffer, compression="zstd", row_group_size=16)
    folder = f"collections/summary/version={release}"
    return {
        f"{folder}/part-00000.zstd.parquet": buffer.getvalue(),
        "collections/summary/_delta_log/00000000000000000000.json": b'{"commitInfo": {}}',
    }


def pack(rows: list[dict[str, Any]]) -> bytes:
    """Return records as lines of JSON, compressed."""
    return gzip.compress("".join(f"{json.dumps(row)}\n" for row in rows).encode(), mtime=0)


def md5(body: bytes) -> str:
    """Return what S3 gives as the ETag of an object."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@contextmanager
def serve() -> Iterator[FaultServer]:
    """Serve bucket and interface."""
    with FaultServer() as server:
        FakeProject().install(server)
        yield server


SOURCES = {
    "mp": FakeSource(
        serve=serve,
        mirrors=(BUCKET_HOST, API_HOST),
        arguments=FETCH_ARGUMENTS,
        settings={"release": RELEASE},
        sample=SAMPLE,
        slow={
            "/": ["slow:0.3", "503", "slow:0.3"],
            f"/collections/{RELEASE}/summary/nelements=2/symmetry_number=62.jsonl.gz": [
                "slow:0.5",
                "drop:100",
                "slow:3",
            ],
        },
    )
}
