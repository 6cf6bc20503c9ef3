"""Tables in the forms that are in use, with what they hold, for ``matsciml check``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matsciml_core.convert import to_pymatgen
from matsciml_core.data.readers import Frame
from matsciml_core.testing import Sample, frame_of
from matsciml_core.testing.crystals import sodium_chloride, triclinic

_CRYSTALS = (sodium_chloride(), triclinic())
_CIF_DIGITS = 2e-6
"""Å; a CIF has eight digits of lengths and angles."""


def csv_samples(folder: Path) -> list[Sample]:
    """Write tables with a column of CIF, as CDVAE's, and of JSON."""
    cifs, structures = folder / "cifs.csv", folder / "structures.csv"
    texts = [to_pymatgen(crystal).to(fmt="cif") for crystal in _CRYSTALS]
    with cifs.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["", "material_id", "cif", "energy"])
        for index, text in enumerate(texts):
            table.writerow([index, f"c-{index}", text, _energy(index)])
    _write_structures(structures, len(_CRYSTALS))
    frames = [
        frame_of(crystal, {"energy": str(_energy(index))}, name=f"c-{index}")
        for index, crystal in enumerate(_CRYSTALS)
    ]
    return [
        Sample(path=cifs, frames=frames, precision=_CIF_DIGITS, same_orientation=False),
        Sample(path=structures, frames=frames, write_many=_write_structures),
    ]


def json_samples(folder: Path) -> list[Sample]:
    """Write a list of records, a mapping with inner data, and a table of pandas as in matbench."""
    records = list(_records(len(_CRYSTALS)))
    forms: dict[str, Any] = {
        "list": records,
        "mapping": {
            record["id"]: {"structure": record["structure"], "data": {"energy": record["energy"]}}
            for record in records
        },
        "matbench": {
            "index": [record["id"] for record in records],
            "columns": ["structure", "energy"],
            "data": [[record["structure"], record["energy"]] for record in records],
        },
    }
    samples = []
    for name, data in forms.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        samples.append(Sample(path=path, frames=_frames()))
    return samples


def jsonl_samples(folder: Path) -> list[Sample]:
    """Write a record of JSON per line."""
    path = folder / "mine.jsonl"
    _write_lines(path, len(_CRYSTALS))
    return [Sample(path=path, frames=_frames(), write_many=_write_lines)]


def _frames() -> list[Frame]:
    return [
        frame_of(crystal, {"energy": _energy(index)}, name=f"c-{index}")
        for index, crystal in enumerate(_CRYSTALS)
    ]


def _records(count: int) -> Iterator[dict[str, Any]]:
    for index in range(count):
        structure = to_pymatgen(_CRYSTALS[index % len(_CRYSTALS)]).as_dict()
        yield {"id": f"c-{index}", "structure": structure, "energy": _energy(index)}


def _energy(index: int) -> float:
    return -1.5 - index


def _write_structures(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, delimiter=";")
        table.writerow(["name", "structure", "energy"])
        for record in _records(count):
            table.writerow([record["id"], json.dumps(record["structure"]), record["energy"]])


def _write_lines(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as stream:
        for record in _records(count):
            stream.write(json.dumps(record) + "\n")
