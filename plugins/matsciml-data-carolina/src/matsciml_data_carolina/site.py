"""The database's own site: a CIF file for each crystal, and its energy on a page for people.

The file ``n.cif`` belongs to the page of entry ``n + 1``. There is no interface for programs, and
the site runs on one small machine, so that it is asked one question at a time and seldom.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from matsciml_core.data.fetch import FetchRequest
from matsciml_core.data.ingestion.conversion import Item, Rejection
from matsciml_core.errors import FetchError
from matsciml_core.files import open_appending_text, write_whole
from matsciml_core.guarded import parse_json
from matsciml_data_carolina.cif import read_cif
from matsciml_util_sources.client import Client, RefusedError, TransientError, looks_like_html
from matsciml_util_sources.spool import Page, PageSpool

SITE = "http://www.carolinamatdb.org"
COUNT = 214_436
"""Crystals on the site, numbered from 0."""
HOST = urlsplit(SITE).hostname or ""
RATE = 2.0
"""Requests per second at most; less where the site's robots.txt says so."""
PAGE = 25
"""Crystals that are put away together."""
_AGENT = "matsciml"
_ENERGY = re.compile(
    r"Formation\s+Energy\s*/\s*Atom\s*</h5>\s*<span[^>]*>(.*?)</span>", re.DOTALL | re.IGNORECASE
)
_NUMBER = re.compile(r"([-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?)(?:\s*eV(?:\s*/\s*atom)?)?", re.IGNORECASE)


def harvest(request: FetchRequest) -> PageSpool:
    """Ask the site for every crystal, or for the first ``limit`` ones.

    Raises:
        FetchError: The site does not answer, forbids programs, or has changed.
    """
    count = COUNT if request.limit is None else min(COUNT, request.limit)
    folder = request.folder / "raw" / ("site" if count == COUNT else f"site-first-{count}")
    spool = PageSpool(folder, {"address": SITE, "count": count, "page": PAGE})
    if not spool.complete:
        request.client.pace(HOST, min(RATE, _asked_rate(request.client)))
        spool.harvest(
            lambda cursor: fetch_page(request.client, folder, cursor or 0, count),
            label="Carolina crystals",
            report=request.report,
        )
    return spool


def read_record(record: Mapping[str, Any]) -> Item:
    """Return what the site has of a crystal as a crystal, or why it can't be one."""
    name = f"carolina-{record['number']}"
    if record["cif"] is None:
        return Rejection(name, "The site has no such file.")
    return read_cif(name, record["cif"], read_energy(record["energy"]))


def read_energy(text: str | None) -> float | None:
    """Return the energy that a page states, eV/atom; None where it states a dash or nothing.

    >>> read_energy(" -0.392 eV"), read_energy("–")
    (-0.392, None)
    """
    # Dashes of typography stand for a minus in some entries, and alone for no value.
    match = _NUMBER.fullmatch(unescape(text or "").strip().replace("\N{MINUS SIGN}", "-"))
    return None if match is None else float(match[1])


def fetch_page(client: Client, folder: Path, start: int, count: int) -> Page:
    """Fetch some crystals, each of which is noted at once so that a kill costs one at most.

    Args:
        client: Sends the requests.
        folder: Where to note them.
        start: Index of the first crystal of the page.
        count: Number of crystals in all.

    Raises:
        FetchError: No page of an entry states an energy in the known form.
    """
    end = min(start + PAGE, count)
    notes = folder / "unfinished.jsonl"
    records = list(_read_notes(notes, start))[: end - start]
    write_whole(notes, "".join(map(_line, records)).encode())
    with open_appending_text(notes) as stream:
        for index in range(start + len(records), end):
            records.append(fetch_record(client, index))
            stream.write(_line(records[-1]))
            stream.flush()
    pages = [record for record in records if record["has_page"]]
    # A single entry without energy is common; a whole page of them means another layout.
    if pages and all(record["energy"] is None for record in pages):
        raise FetchError(
            f"None of the entries {start + 1} to {end} of '{SITE}' states a formation energy as "
            "its pages used to; the site has changed."
        )
    return Page(records=records, next=end if end < count else None, total=count)


def fetch_record(client: Client, index: int) -> dict[str, Any]:
    """Return ``number``, ``cif`` and the text of ``energy`` as the site has them of a crystal.

    Args:
        client: Sends the requests.
        index: Number of the CIF file.
    """
    cif = _find(client, f"{SITE}/static/export/cifs/{index}.cif")
    page = _find(client, f"{SITE}/entry/{index + 1}/", is_page=True)  # entries count from one
    match = None if page is None else _ENERGY.search(page)
    energy = None if match is None else match[1].strip()
    return {"number": index, "cif": cif, "energy": energy, "has_page": page is not None}


def _find(client: Client, url: str, *, is_page: bool = False) -> str | None:
    """Return a text; None where the site has none under this address."""

    def attempt() -> str:
        body = client.get_bytes(url)
        if not is_page and looks_like_html(body):
            raise TransientError("the answer was a web page instead of a CIF file")
        return body.decode("utf-8", errors="replace")

    try:
        return client.persist(attempt, url)
    except RefusedError as refusal:
        if refusal.status in (404, 410):
            return None
        raise


def _asked_rate(client: Client) -> float:
    """Return how often the site wants to be asked, 1/s; without its word, any rate.

    Raises:
        FetchError: It does not want to be asked by programs at all.
    """
    rules = RobotFileParser()
    rules.parse((_find(client, f"{SITE}/robots.txt", is_page=True) or "").splitlines())
    if not rules.can_fetch(_AGENT, f"{SITE}/entry/1/"):
        raise FetchError(
            f"'{SITE}' does not want to be read by programs any more; fetch from Zenodo, that is, "
            "without --set from_site=true."
        )
    delay = rules.crawl_delay(_AGENT)  # seconds between two requests, or None
    return float("inf") if not delay else 1.0 / float(delay)


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record) + "\n"


def _read_notes(path: Path, start: int) -> Iterator[dict[str, Any]]:
    """Yield the crystals that an earlier process noted, as far as they follow one another."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for index, line in enumerate(lines, start):
        try:
            record = parse_json(line)
        except ValueError:  # a kill cut it off
            return
        if record["number"] != index:  # of another page
            return
        yield record
