"""A fake of OQMD: the OPTIMADE interface in pages, with the habits of the real one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matsciml_util_sources.fake_server import Answer, Asked, FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample

PATH = "/optimade/v1/structures"
ROWS = 25
CELL = [[4.059705, 0.0, 0.0], [0.0, 4.2, 0.0], [1.1, 0.0, 7.195297]]
_METALS, _OTHERS = ["Mn", "Fe", "Na", "Mg", "Ti", "Zn", "K"], ["N", "O", "Cl"]


def row(number: int) -> dict[str, Any]:
    """Return a structure as the interface has it; some have what makes trouble."""
    symbols = [_METALS[number % 7], _OTHERS[number % 3]]
    kinds: list[dict[str, Any]] = [
        {"name": symbol, "chemical_symbols": [symbol], "concentration": [1.0]} for symbol in symbols
    ]
    if number == 4:
        kinds[0]["concentration"] = [0.5]
    if number == 5:
        kinds[0]["chemical_symbols"] = ["vacancy"]
    shift = 2.0 + 0.01 * number
    return {
        "id": str(5000 + number),
        "type": "structures",
        "attributes": {
            "lattice_vectors": CELL,
            "cartesian_site_positions": [[0.0, 0.0, 0.0], [shift, shift, 3.0]],
            "species_at_sites": symbols,
            "species": kinds,
            "_oqmd_entry_id": 100 + (9 if number == 10 else number),
            "_oqmd_delta_e": 7.5 if number == 6 else -1.0 - 0.1 * number,
            "_oqmd_stability": -0.01 * (number % 2) + 0.02 * ((number + 1) % 2),
            "_oqmd_band_gap": None if number == 7 else 0.5 * (number % 4),
        },
    }


class Interface:
    """Answers for a page of structures."""

    def __init__(self) -> None:
        """Offer all rows."""
        self.available = ROWS

    def __call__(self, asked: Asked) -> Answer:
        """Return a page."""
        offset, size = int(asked.query["page_offset"]), int(asked.query["page_limit"])
        following = offset + size
        link = f"http://internal.oqmd/optimade?page_offset={following}"
        answer = {
            "data": [row(number) for number in range(offset, min(following, ROWS))],
            "links": {"next": {"href": link} if following < ROWS else None},
            # It says so on the last page too.
            "meta": {"data_available": self.available, "more_data_available": True},
        }
        return Answer(json.dumps(answer).encode())


@contextmanager
def serve() -> Iterator[FaultServer]:
    """Serve the interface."""
    with FaultServer() as server:
        server.handlers[PATH] = Interface()
        yield server


SOURCES = {
    "oqmd": FakeSource(
        serve=serve,
        mirrors=("oqmd.org",),
        arguments=("--set", "page=5"),
        slow={PATH: ["ok", "slow:3"]},
        sample=Sample(
            id="oqmd-103",
            atomic_numbers=[12, 7],
            positions=[[0.0, 0.0, 0.0], [2.03, 2.03, 3.0]],
            cell=CELL,
            labels={
                "formation_energy_per_atom": -1.3,
                "energy_above_hull": -0.01,
                "is_stable": 1,
                "band_gap": 1.5,
            },
        ),
    )
}
