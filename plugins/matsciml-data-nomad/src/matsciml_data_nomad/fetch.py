"""NOMAD's interface: whole pages of archives, cut down to what is needed, behind a cursor.

Pages by number end at the 10,000th entry, and so does the OPTIMADE interface; asked for what
comes after the last entry of a page, the interface goes on to the end. The archive may be asked
once in five seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matsciml_core.data import Rejection, ingest
from matsciml_core.data.fetch import FetchRequest
from matsciml_core.data.store.crystal_store import INDEX_FILE
from matsciml_core.errors import FetchError
from matsciml_core.files import write_json
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_nomad.archive import Calculation, read_entry
from matsciml_data_nomad.config import NOMADFetchConfig
from matsciml_data_nomad.crystals import Records, crystals, fit
from matsciml_data_nomad.declaration import SPEC
from matsciml_data_nomad.references import ReferenceEnergies
from matsciml_util_sources.client import Client, connected
from matsciml_util_sources.spool import Page, PageSpool

HOST = "nomad-lab.eu"
ADDRESS = f"https://{HOST}/prod/v1/api/v1/entries/archive/query"
RATE = 0.2
"""Requests per second that the archive allows."""
RELEASE = "2023-07-12T13:10:06+00:00"
"""Entries uploaded before this are those of the published benchmark, as far as they still exist."""
REFERENCES_FILE = "references.json"
_STRUCTURE = "results.properties.structures.structure_original"
_QUANTITIES = (
    "results.properties.structures",
    f"{_STRUCTURE}.lattice_parameters",
    f"{_STRUCTURE}.cartesian_site_positions",
    "results.properties.electronic.dos_electronic",
    "results.properties.electronic.band_structure_electronic",
    "results.material.symmetry",
)
"""What an entry must have; the published benchmark's list, but for energies, which newer entries
keep elsewhere."""
_REQUIRED: dict[str, Any] = {
    "results": {
        "material": {
            "structural_type": "*",
            "chemical_formula_hill": "*",
            "symmetry": {"space_group_number": "*"},
        },
        "method": {"method_name": "*", "simulation": {"program_name": "*", "dft": "*"}},
        "properties": {
            "structures": {"structure_original": "*"},
            "electronic": {
                "band_structure_electronic": {"energy_fermi": "*", "band_gap": "*"},
                "band_gap": "*",
            },
        },
    },
    "run": {"calculation[-1]": {"energy": {"total": "*"}}},
    "data": {"outputs[-1]": {"total_energies": "*"}},
}
"""The parts of an archive that are sent; ``run`` is what older parsers wrote, ``data`` newer."""


def fetch(request: FetchRequest) -> Path:
    """Fetch the entries that were uploaded before a date, and make a store of them.

    Args:
        request: Where to put it; ``release`` is the date.

    Returns:
        The store's folder.

    Raises:
        FetchError: The server does not answer, or its data changed between two pages.
        DataError: Nothing of it can be used.
    """
    if request.subset is not None:
        raise FetchError("NOMAD comes as a whole; leave --split out.")
    request = connected(request)
    before = _date(request.release or RELEASE)
    page = (request.options or NOMADFetchConfig()).page
    size = page if request.limit is None else min(page, request.limit)
    query = first_query(before, size)
    trial = "" if request.limit is None else f"-first-{request.limit}"
    # Without the size of a page: a harvest may go on with smaller ones.
    identity = {"address": ADDRESS, "query": query["query"], "required": query["required"]}
    spool = PageSpool(request.folder / f"raw{trial}", {**identity, "limit": request.limit})
    request.client.pace(HOST, RATE)
    spool.harvest(
        lambda cursor: fetch_page(request.client, query, cursor, spool.count, request.limit),
        label="NOMAD entries",
        report=request.report,
    )
    store = request.folder / f"store{trial}"

    def records(start: int) -> Iterator[Calculation | Rejection]:
        return map(read_entry, spool.records(start))

    ingest(
        crystals(records, _fit_references(records, store)),
        store,
        targets=SPEC.targets,
        provenance=Provenance.from_spec(SPEC, f"uploaded before {before}, {spool.snapshot}"),
        label="NOMAD crystals",
        total=spool.count,
        report=request.report,
    )
    return store


def first_query(before: str, size: int) -> dict[str, Any]:
    """Return the query for the first page.

    Args:
        before: Date and time of upload, as ISO 8601 has it.
        size: Entries on a page.
    """
    return {
        "owner": "public",
        "query": {
            "results.material.structural_type": "bulk",
            "results.method.method_name": "DFT",
            "quantities:all": list(_QUANTITIES),
            "upload_create_time:lt": before,
        },
        "pagination": {"page_size": size, "order_by": "entry_id", "order": "asc"},
        "required": _REQUIRED,
    }


def fetch_page(
    client: Client, query: Mapping[str, Any], cursor: str | None, done: int, limit: int | None
) -> Page:
    """Fetch one page of entries.

    Args:
        client: Sends the request.
        query: The query for the first page.
        cursor: What the page comes after; None: it is the first one.
        done: Entries on the pages before.
        limit: Entries that are wanted of all pages; None: all.

    Raises:
        FetchError: The answer is no page of entries.
    """
    after = {} if cursor is None else {"page_after_value": cursor}
    answer = client.post_json(ADDRESS, {**query, "pagination": {**query["pagination"], **after}})
    try:
        records, pagination = answer["data"], answer["pagination"]
        following, total = pagination.get("next_page_after_value"), pagination["total"]
    except (KeyError, TypeError, AttributeError):
        raise FetchError(
            "NOMAD's answer is no page of entries; its interface has changed."
        ) from None
    more = limit is None or done + len(records) < limit
    return Page(
        records=records if limit is None else records[: limit - done],
        next=following if more else None,
        total=total if limit is None else min(total, limit),
        snapshot=f"{total} entries",
    )


def _fit_references(records: Records, store: Path) -> ReferenceEnergies:
    """Fit the reference energies and keep them beside the store, unless the store is finished."""
    if (store / INDEX_FILE).exists():  # no crystal will be made, so no energy is needed
        return ReferenceEnergies(fits={}, dropped={}, lowest={})
    references = fit(records)
    store.mkdir(parents=True, exist_ok=True)
    write_json(store / REFERENCES_FILE, references.as_data())
    return references


def _date(text: str) -> str:
    """Return a date as the interface wants it.

    Raises:
        FetchError: The text is no date.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FetchError(
            f"'{text}' is no date; NOMAD's releases are named by the day before which entries "
            "were uploaded, for example --release 2023-07-12."
        ) from None
    whole = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return whole.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
