"""Builds the source ``mini`` of the dataset ``mp`` from the sdist of matminer 0.3.2.

    python plugins/matsciml-data-mp/scripts/build_mini.py [--sdist matminer-0.3.2.tar.gz]

Writes the store and the split into the package, and ``manifest.json`` beside this script: what
was read, what was left out and why, and the hashes of the result. The result depends on the
sdist and on spglib's version only; running it again gives the same content hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import moyopy
import spglib
from tables import Entry, Reading, read_tables

from matsciml_core import Crystal, Provenance
from matsciml_core.data import CrystalStoreWriter, stratified_split, write_symmetry
from matsciml_core.data.store.crystal_store import remove_store
from matsciml_core.interfaces import crystal_systems
from matsciml_data_mp.declaration import declare

SDIST_SHA256 = "e7262c6fa1c5458e3b75c4ba3aff2ae7878b40307bbe01001844e95e9f586a9d"
HERE = Path(__file__).resolve().parent
SYMPREC = 0.1
"""Å, the tolerance of the Materials Project."""
SAME_VOLUME = 0.03
"""Largest relative difference in volume per atom between two relaxations of one crystal."""


@dataclass(kw_only=True)
class Merged:
    """The distinct crystals with their labels, and what was left out."""

    crystals: list[Crystal] = field(default_factory=list)
    structure_from: Counter[str] = field(default_factory=Counter)
    left_out: list[dict[str, Any]] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    package = HERE.parent / "src" / "matsciml_data_mp"
    parser.add_argument("--sdist", type=Path, help="the sdist, if you have it already")
    parser.add_argument("--output", type=Path, default=package, help="the package's folder")
    parser.add_argument("--manifest", type=Path, default=HERE / "manifest.json")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        readings = read_tables(checked(options.sdist or download(Path(scratch))))
    groups = find_space_groups(readings)
    merged = merge(readings, groups)
    hashes = write(merged.crystals, options.output)
    manifest = describe(readings, groups, merged) | hashes
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    options.manifest.write_text(text + "\n", encoding="utf-8")
    print(f"{len(merged.crystals)} crystals, content hash {hashes['content_hash']}")


def download(folder: Path) -> Path:
    """Fetch the sdist with pip, which checks the hash before it looks inside."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"matminer==0.3.2 --hash=sha256:{SDIST_SHA256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--require-hashes", "-r", requirement, "-d", folder], check=True)
    return folder / "matminer-0.3.2.tar.gz"


def checked(sdist: Path) -> Path:
    """Return the path after comparing the file's hash with the pinned one."""
    if hashlib.sha256(sdist.read_bytes()).hexdigest() != SDIST_SHA256:
        raise SystemExit(f"'{sdist}' is not the sdist of matminer 0.3.2: its SHA-256 differs.")
    return sdist


def find_space_groups(readings: Mapping[str, Reading]) -> dict[tuple[str, str], int | None]:
    """Return the number of every structure, by table and id; None where spglib finds none."""
    groups = {}
    for name, reading in readings.items():
        for entry in reading.entries:
            crystal = entry.crystal
            cell = (crystal.cell, entry.fractional, crystal.atomic_numbers)
            found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC)
            groups[name, crystal.id] = None if found is None else found.number
    return groups


def merge(readings: Mapping[str, Reading], groups: Mapping[tuple[str, str], int | None]) -> Merged:
    """Put the tables together by id, in numerical order of the ids.

    The structure comes from the first table that has the id. Labels of the other tables belong
    to the structure there; they are attached if it is the same crystal, else left out.
    """
    by_id: dict[str, list[Entry]] = {}
    for reading in readings.values():
        for entry in reading.entries:
            by_id.setdefault(entry.crystal.id, []).append(entry)
    merged = Merged()
    for name in sorted(by_id, key=id_number):
        first, *others = by_id[name]
        labels = dict(first.crystal.labels)
        for other in others:
            reason = difference(first, other, groups)
            if reason is None:
                labels |= other.crystal.labels
            else:
                merged.left_out.append(left_out(first, other, reason))
        number = groups[first.table, name]
        if number is not None:
            labels["space_group"] = number - 1
        merged.crystals.append(replace(first.crystal, labels=labels))
        merged.structure_from[first.table] += 1
    return merged


def id_number(name: str) -> int:
    """Return 123 for ``mp-123``."""
    return int(name.removeprefix("mp-"))


def difference(
    first: Entry, other: Entry, groups: Mapping[tuple[str, str], int | None]
) -> str | None:
    """Say why two structures with one id are not the same crystal, or return None."""
    if first.composition != other.composition:
        return f"composition {first.composition} against {other.composition}"
    change = other.volume_per_atom / first.volume_per_atom - 1
    if abs(change) > SAME_VOLUME:
        return f"volume per atom differs by {change:+.1%}"
    numbers = [groups[entry.table, entry.crystal.id] for entry in (first, other)]
    return None if numbers[0] == numbers[1] else f"space group {numbers[0]} against {numbers[1]}"


def left_out(first: Entry, other: Entry, reason: str) -> dict[str, Any]:
    """Return the manifest's record of labels that were not attached."""
    return {
        "id": first.crystal.id,
        "structure": first.table,
        "labels_of": other.table,
        "labels": list(other.crystal.labels),
        "reason": reason,
    }


def write(crystals: Iterable[Crystal], package: Path) -> dict[str, str]:
    """Write store and split; return their hashes."""
    crystals = list(crystals)
    folder = package / "mini"
    remove_store(folder)
    spec = declare("mini")
    source, release = spec.source.split(", ", 1)  # the database, and the tables taken from it
    provenance = replace(Provenance.from_spec(spec, release), source=source)
    with CrystalStoreWriter(folder, spec.targets, provenance) as writer:
        for crystal in crystals:
            writer.add(crystal)
    write_symmetry(folder)
    split = stratified_split(
        [crystal.id for crystal in crystals],
        [crystal_system(crystal) for crystal in crystals],
        by="crystal system",
        seed=0,
    )
    (package / "splits").mkdir(exist_ok=True)
    split.save(package / "splits" / "stratified.json")
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return {"content_hash": index["meta"]["content_hash"], "split_hash": split.hash}


def crystal_system(crystal: Crystal) -> str:
    """Return the crystal system of the space group."""
    number = crystal.labels.get("space_group")
    if number is None:
        return "unknown"
    return crystal_systems.crystal_system(int(number) + 1)  # the label counts from 0


def describe(
    readings: Mapping[str, Reading],
    groups: Mapping[tuple[str, str], int | None],
    merged: Merged,
) -> dict[str, Any]:
    """Return the manifest, less the hashes of the result."""
    entries = [entry for reading in readings.values() for entry in reading.entries]
    labels = Counter(name for crystal in merged.crystals for name in crystal.labels)
    return {
        "source": "matminer-0.3.2.tar.gz from PyPI",
        "source_sha256": SDIST_SHA256,
        "tables": {
            name: {"sha256": reading.sha256, "rows": len(reading.entries) + len(reading.rejected)}
            for name, reading in readings.items()
        },
        "rejected_rows": [record for reading in readings.values() for record in reading.rejected],
        "rows_of_ids_seen_before": len(entries) - len(merged.crystals),
        "labels_left_out": merged.left_out,
        "crystals": len(merged.crystals),
        "structure_from": dict(merged.structure_from),
        "labels": {info.name: labels[info.name] for info in declare("mini").targets},
        "crystal_systems": dict(Counter(map(crystal_system, merged.crystals))),
        "symmetry": compare_symmetry(entries, groups),
    }


def compare_symmetry(
    entries: Sequence[Entry], groups: Mapping[tuple[str, str], int | None]
) -> dict[str, Any]:
    """Compare spglib's space groups with moyopy's and with those the tables state."""
    moyo, stated = [], []
    for entry in entries:
        number = groups[entry.table, entry.crystal.id]
        record = {"table": entry.table, "id": entry.crystal.id, "spglib": number}
        other = moyo_number(entry)
        if other != number:
            moyo.append(record | {"moyopy": other})
        if entry.reported_space_group not in (None, number):
            stated.append(record | {"stated": entry.reported_space_group})
    return {
        "symprec": SYMPREC,
        "spglib": spglib.__version__,
        "moyopy": moyopy.__version__,
        "structures": len(entries),
        "structures_with_stated_group": sum(e.reported_space_group is not None for e in entries),
        "differs_from_moyopy": moyo,
        "differs_from_stated": stated,
    }


def moyo_number(entry: Entry) -> int:
    """Return the space-group number that moyopy finds."""
    cell = moyopy.Cell(
        basis=entry.crystal.cell.tolist(),
        positions=entry.fractional.tolist(),
        numbers=entry.crystal.atomic_numbers.tolist(),
    )
    return int(moyopy.MoyoDataset(cell, symprec=SYMPREC).number)


if __name__ == "__main__":
    main()
