"""A fake of NOMAD's interface: archives in pages behind a cursor, asked for by POST."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matsciml_util_sources.fake_server import Answer, Asked, FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample

PATH = "/prod/v1/api/v1/entries/archive/query"
EV = 1.602176634e-19
"""J."""
_PBE = ["GGA_X_PBE", "GGA_C_PBE"]
_METALS, _OTHERS = ["Na", "Mg", "K", "Ca", "Ti", "Fe"], ["O", "F", "S", "Cl"]
_ATOMIC = dict(zip(_METALS + _OTHERS, range(-1, -11, -1), strict=True))
"""Energies of the atoms, eV, as the made-up pseudopotentials have them."""
COMPOUNDS, URANIUM = 48, 24
FIRST_URANIUM = COMPOUNDS


def structure(symbols: list[str], edge: float) -> dict[str, Any]:
    """Return a cubic structure in m: two atoms as in CsCl, or four as in Cu3Au."""
    places = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]
    if len(symbols) == 4:
        places = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    length = edge * 1e-10
    kinds = [
        {"name": one, "chemical_symbols": [one], "concentration": [1.0]}
        for one in sorted(set(symbols))
    ]
    return {
        "dimension_types": [1, 1, 1],
        "lattice_vectors": [[length if i == j else 0.0 for j in range(3)] for i in range(3)],
        "cartesian_site_positions": [[value * length for value in place] for place in places],
        "species_at_sites": symbols,
        "species": kinds,
    }


def entry(
    number: int, symbols: list[str], edge: float, energy: float, program: str, functional: list[str]
) -> dict[str, Any]:
    """Return an entry: a crystal with edges in Å, and its total energy in eV."""
    counts = {one: symbols.count(one) for one in symbols}
    simulation = {"program_name": program, "dft": {"xc_functional_names": functional}}
    fermi = 2.5 + 0.1 * (number % 3)
    gap = {"index": 0, "value": 0.5 * (number % 4) * EV, "type": "indirect"}
    results = {
        "material": {
            "structural_type": "bulk",
            "chemical_formula_hill": "".join(f"{one}{n}" for one, n in sorted(counts.items())),
            "symmetry": {"space_group_number": {2: 229, 4: 221}[len(symbols)]},
        },
        "method": {"method_name": "DFT", "simulation": simulation},
        "properties": {
            "structures": {"structure_original": structure(symbols, edge)},
            "electronic": {
                "band_structure_electronic": {"energy_fermi": fermi * EV, "band_gap": [gap]}
            },
        },
    }
    run = [{"calculation": [{"energy": {"total": {"value": energy * EV}}}]}]
    return {"entry_id": f"e{number:04d}", "archive": {"results": results, "run": run}}


def compound(number: int) -> dict[str, Any]:
    """Return an entry of the larger group: one of 48 compositions, by pseudopotentials."""
    metal, other = _METALS[number % 6], _OTHERS[number // 6 % 4]
    symbols = [metal, other, other, other] if number >= 24 else [metal, other]
    energy = sum(_ATOMIC[one] for one in symbols) + len(symbols) * 0.3 * math.sin(number)
    return entry(number, symbols, 3.5 + 0.5 * (number >= 24), energy, "VASP", _PBE)


def uranium(number: int) -> dict[str, Any]:
    """Return an entry of the other group: uranium, with all its electrons."""
    energy = 2 * (-763_000.0 + 0.01 * (number - 11.5))
    return entry(FIRST_URANIUM + number, ["U", "U"], 3.5 + 0.01 * number, energy, "FHI-aims", _PBE)


def _bands(one: dict[str, Any]) -> dict[str, Any]:
    electronic: dict[str, Any] = one["archive"]["results"]["properties"]["electronic"]
    return electronic


def entries() -> list[dict[str, Any]]:
    """Return all entries, some with what makes trouble."""
    found = [compound(number) for number in range(COMPOUNDS)]
    found += [uranium(number) for number in range(URANIUM)]

    # A list of band structures, of which the last one counts.
    electronic = _bands(found[1])
    last = electronic["band_structure_electronic"]
    electronic["band_structure_electronic"] = [{"energy_fermi": 9 * EV}, last]
    # References into the archive; the list has a hole, as the interface leaves it.
    archive = found[2]["archive"]
    archive["run"][0]["calculation"].insert(0, None)
    archive["run"][0]["calculation"][1]["band_structure_electronic"] = [
        _bands(found[2])["band_structure_electronic"]
    ]
    reference = "#/run/0/calculation/1/band_structure_electronic/0"
    _bands(found[2])["band_structure_electronic"] = reference
    # Two spin channels: the gap lies between the edges of both.
    channels = [
        {"index": 0, "value": 3 * EV, "energy_highest_occupied": 0.0,
         "energy_lowest_unoccupied": 3 * EV},
        {"index": 1, "value": 4 * EV, "energy_highest_occupied": 1 * EV,
         "energy_lowest_unoccupied": 5 * EV},
    ]  # fmt: skip
    _bands(found[3])["band_structure_electronic"]["band_gap"] = channels
    # A newer parser: the energy is in `data`.
    total = found[4]["archive"].pop("run")[0]["calculation"][0]["energy"]["total"]
    found[4]["archive"]["data"] = {"outputs": [{"total_energies": [total]}]}
    # A calculation that failed, by far.
    failed = found[5]["archive"]["run"][0]["calculation"][0]["energy"]["total"]
    failed["value"] += 2e5 * EV
    # What can't be used, or not for a formation energy.
    number = len(found)
    others = [
        entry(number, ["Na", "Cl"], 3.5, -5.0, "exciting", _PBE),
        entry(number + 1, ["Na", "Cl"], 3.6, -5.0, "VASP", []),
        entry(number + 2, ["Na", "Cl"], 3.5, -11.0, "VASP", _PBE),
        entry(number + 3, ["Na", "Cl"], 3.5, -11.0, "VASP", _PBE),
        entry(number + 4, ["Na", "Cl"], 3.5, -11.0, "VASP", _PBE),
        entry(number + 5, ["Na", "Cl"], 3.5, -11.0, "VASP", _PBE),
    ]
    flat = others[2]["archive"]["results"]["properties"]["structures"]["structure_original"]
    flat["dimension_types"] = [1, 1, 0]
    others[3]["archive"]["run"] = []
    _bands(others[3]).clear()
    del others[4]["archive"]
    mixed = others[5]["archive"]["results"]["properties"]["structures"]["structure_original"]
    mixed["species"][0]["concentration"] = [0.5]
    return found + others


class Interface:
    """Answers for a page of archives.

    Args:
        spacing: Seconds that must lie between two questions.
    """

    def __init__(self, spacing: float = 0.0) -> None:
        """Offer all entries."""
        self.entries = entries()
        self.spacing, self._answered = spacing, -math.inf

    def __call__(self, asked: Asked) -> Answer:
        """Return a page, or a refusal."""
        if asked.method != "POST":
            return Answer(status=405)
        if time.monotonic() < self._answered + self.spacing:
            return Answer(status=429, headers={"Retry-After": "1"})
        self._answered = time.monotonic()
        question = json.loads(asked.body)
        pagination = question["pagination"]
        if question["owner"] != "public" or pagination["order_by"] != "entry_id":
            return Answer(status=422)
        after = pagination.get("page_after_value", "")
        size = pagination["page_size"]
        rest = [one for one in self.entries if one["entry_id"] > after]
        pagination = {**pagination, "total": len(self.entries)}
        if len(rest) > size:
            pagination["next_page_after_value"] = rest[size - 1]["entry_id"]
        return Answer(json.dumps({"pagination": pagination, "data": rest[:size]}).encode())


@contextmanager
def serve(spacing: float = 0.0) -> Iterator[FaultServer]:
    """Serve the interface."""
    with FaultServer() as server:
        server.handlers[PATH] = Interface(spacing)
        yield server


SOURCES = {
    "nomad": FakeSource(
        serve=serve,
        mirrors=("nomad-lab.eu",),
        arguments=("--set", "page=20"),
        environment={"MATSCIML_CONFIG": str(Path(__file__).with_name("rates.toml"))},
        slow={PATH: ["ok", "slow:3"]},
        # The 24 crystals of uranium have the mean energy -763,000 eV/atom, which is the reference
        # energy of the element; number 14 of them lies 0.01 (14 - 11.5) eV/atom above it.
        sample=Sample(
            id="nomad-e0062",
            atomic_numbers=[92, 92],
            positions=[[0.0, 0.0, 0.0], [1.82, 1.82, 1.82]],
            cell=[[3.64, 0.0, 0.0], [0.0, 3.64, 0.0], [0.0, 0.0, 3.64]],
            labels={
                "formation_energy_per_atom": 0.025,
                "band_gap": 1.0,
                "fermi_energy": 2.7,
                "space_group": 228,
                "relative_energy": 0.28,
            },
        ),
    )
}
