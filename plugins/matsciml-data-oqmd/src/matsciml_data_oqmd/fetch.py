"""OQMD over OPTIMADE: exact geometry and labels, page by page.

The REST interface prints fractional coordinates with three digits, and the dump of the database
takes 100 GB to import; the OPTIMADE interface has Cartesian coordinates with six decimals, and
OQMD's own labels as ``_oqmd_…`` beside them. It says ``more_data_available`` whenever there is a
previous page, the last one included, so only an empty page or the end of ``links`` counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core import Crystal
from matsciml_core.data import Rejection, ingest
from matsciml_core.data.fetch import FetchRequest
from matsciml_core.data.ingestion.conversion import Item, reason_of
from matsciml_core.data.readers.structures import numbers_of_sites
from matsciml_core.errors import FetchError, MatSciMLError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_oqmd.config import OQMDFetchConfig
from matsciml_data_oqmd.declaration import SPEC
from matsciml_util_sources.client import Client, connected
from matsciml_util_sources.spool import Page, PageSpool

ADDRESS = "https://oqmd.org/optimade/v1/structures"
RATE = 0.2
"""Requests per second: a page takes the server longer, and it resets hasty connections."""
FIELDS = (
    "lattice_vectors,cartesian_site_positions,species_at_sites,species,structure_features,"
    "_oqmd_entry_id,_oqmd_delta_e,_oqmd_stability,_oqmd_band_gap"
)
OUTLIER = 5.0
"""Formation energies beyond this, eV/atom, are failed calculations of the database."""


def fetch(request: FetchRequest) -> Path:
    """Fetch the database, or its first ``limit`` crystals, and make a store of it.

    Args:
        request: Where to put it.

    Returns:
        The store's folder.

    Raises:
        FetchError: The server does not answer, or its data changed between two pages.
        DataError: Nothing of it can be used.
    """
    if request.release is not None or request.subset is not None:
        raise FetchError(
            "OQMD serves its newest release only, as a whole; leave --release and --split out."
        )
    request = connected(request)
    page = (request.options or OQMDFetchConfig()).page
    size = page if request.limit is None else min(page, request.limit)
    query = {"address": ADDRESS, "fields": FIELDS, "page": size, "limit": request.limit}
    spool = PageSpool(request.folder / "raw", query)
    request.client.pace("oqmd.org", RATE)
    spool.harvest(
        lambda cursor: fetch_page(request.client, cursor or 0, size, request.limit),
        label="OQMD pages",
        report=request.report,
    )
    store = request.folder / "store"
    ingest(
        lambda start: map(read_entry, spool.records(start)),
        store,
        targets=SPEC.targets,
        provenance=Provenance.from_spec(SPEC, spool.snapshot),
        label="OQMD crystals",
        total=spool.count,
        report=request.report,
    )
    return store


def fetch_page(client: Client, offset: int, size: int, limit: int | None) -> Page:
    """Fetch one page of structures.

    Args:
        client: Sends the request.
        offset: Structures before the page.
        size: Structures on the page.
        limit: Structures that are wanted of all pages; None: all.

    Raises:
        FetchError: The answer is no page of structures.
    """
    parameters = {"page_limit": size, "page_offset": offset, "response_fields": FIELDS}
    answer = client.get_json(ADDRESS, parameters)
    try:
        records, meta = answer["data"], answer["meta"]
        following = answer["links"].get("next")
    except (KeyError, TypeError, AttributeError):
        raise FetchError(
            "OQMD's answer is no page of structures; its interface has changed."
        ) from None
    if isinstance(following, Mapping):
        following = following.get("href")
    end = offset + len(records)
    # Not ``more_data_available``, which is true on the last page too.
    more = bool(records and following) and (limit is None or end < limit)
    available = meta.get("data_available", meta.get("data_returned"))
    return Page(
        records=records,
        next=end if more else None,
        total=available if limit is None else limit,
        snapshot=f"{available} structures",
    )


def read_entry(entry: Mapping[str, Any]) -> Item:
    """Return a structure of the interface as a crystal, or why it can't be one.

    Args:
        entry: A structure in OPTIMADE's terms: lengths in Å, OQMD's energies in eV/atom.
    """
    data = entry.get("attributes") or {}
    name = f"oqmd-{data.get('_oqmd_entry_id') or entry.get('id')}"
    numbers = numbers_of_sites(data.get("species_at_sites"), data.get("species"))
    if numbers is None:
        return Rejection(name, "A site holds several species, a vacancy, or none known.")
    energy = data.get("_oqmd_delta_e")
    if energy is not None and abs(energy) > OUTLIER:
        return Rejection(name, f"The formation energy is beyond {OUTLIER:g} eV/atom.")
    try:
        return Crystal(
            id=name,
            atomic_numbers=np.array(numbers),
            positions=np.array(data["cartesian_site_positions"], dtype=np.float64),
            cell=np.array(data["lattice_vectors"], dtype=np.float64),
            labels=labels_of(energy, data.get("_oqmd_stability"), data.get("_oqmd_band_gap")),
        )
    except (KeyError, TypeError, ValueError):
        return Rejection(name, "The structure is incomplete.")
    except MatSciMLError as error:
        return Rejection(name, reason_of(error))


def labels_of(
    energy: float | None, stability: float | None, band_gap: float | None
) -> dict[str, Any]:
    """Return the labels of an entry; what is unknown is missing, never zero.

    Args:
        energy: Formation energy, eV/atom.
        stability: Distance to the hull, eV/atom.
        band_gap: eV.
    """
    labels = {
        "formation_energy_per_atom": energy,
        "energy_above_hull": stability,
        "is_stable": None if stability is None else int(stability <= 0),
        "band_gap": band_gap,
    }
    return {name: value for name, value in labels.items() if value is not None}
