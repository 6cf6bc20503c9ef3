"""The pages of a paged interface, kept on disk as they come, and never asked for twice.

A spool is a folder::

    query.json            what was asked, so that another question is not mixed in
    pages/000000.jsonl.gz the records of a page, one JSON value per line
    journal.jsonl         one line per page: where the next one begins, and the page's hash

A page is written, renamed, and only then entered into the journal; a line that was cut off by a
crash does not count. So a process may be killed at any moment: the next one goes on behind the
last page in the journal.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.errors import FetchError
from matsciml_core.files import cut, open_appending, write_json, write_whole
from matsciml_core.guarded import parse_json, read_json, unpack_gzip
from matsciml_core.progress import Meter, Report, silent

_LARGEST_PAGE = 1 << 30
"""Bytes of the records of one page."""
Cursor = Any
"""Where a page begins, as JSON; None for the first page."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of an interface's answer."""

    records: Sequence[Any]
    """The records, as JSON."""
    next: Cursor = None
    """Where the next page begins; None: this was the last one."""
    total: int | None = None
    """Records of all pages, where the interface says; for the progress only."""
    snapshot: str = ""
    """Version of the database, where the interface says; it must not change between pages."""


class PageSpool:
    """A spool on disk.

    Args:
        folder: Its folder; made where it is missing.
        query: What identifies the question: address, filter, fields, page size.

    Raises:
        FetchError: The folder holds the pages of another query.
    """

    def __init__(self, folder: str | os.PathLike[str], query: Mapping[str, Any]) -> None:
        """Open the spool, and drop what a crash left unfinished."""
        self.folder = Path(folder)
        (self.folder / "pages").mkdir(parents=True, exist_ok=True)
        path = self.folder / "query.json"
        if not path.exists():
            write_json(path, dict(query))
        # By way of JSON, which turns tuples into lists.
        elif read_json(path) != json.loads(json.dumps(dict(query))):
            raise FetchError(
                f"'{self.folder}' holds the pages of another query; remove it, or name another "
                "folder with --to."
            )
        self._journal = self.folder / "journal.jsonl"
        self._entries = _read_journal(self._journal)

    @property
    def complete(self) -> bool:
        """Whether the last page is there."""
        return bool(self._entries) and self._entries[-1]["next"] is None

    @property
    def count(self) -> int:
        """Number of records in the spool."""
        return sum(entry["records"] for entry in self._entries)

    @property
    def snapshot(self) -> str:
        """Version of the database that the pages come from; empty where unknown."""
        return str(self._entries[-1]["snapshot"]) if self._entries else ""

    def harvest(
        self, fetch: Callable[[Cursor], Page], *, label: str = "pages", report: Report = silent
    ) -> None:
        """Fetch the pages that are missing.

        Args:
            fetch: Returns the page that begins at a cursor, None being the first.
            label: What is fetched, for people.
            report: Receives progress.

        Raises:
            FetchError: The interface repeats itself, or its database changed between two pages.
        """
        meter = Meter(label, report, unit="records", done=self.count)
        while not self.complete:
            page = fetch(self._entries[-1]["next"] if self._entries else None)
            self._append(page)
            meter.total = page.total
            meter.add(len(page.records))
        meter.finish()

    def records(self, start: int = 0) -> Iterator[Any]:
        """Yield the records, from the ``start``-th on, in the order of the pages.

        Raises:
            FetchError: A page is missing or damaged.
        """
        for index, entry in enumerate(self._entries):
            if start >= entry["records"]:
                start -= entry["records"]  # the journal counts: the page need not be unpacked
                continue
            yield from self._read(index)[start:]
            start = 0

    def _append(self, page: Page) -> None:
        lines = [json.dumps(record, sort_keys=True) for record in page.records]
        body = "".join(f"{line}\n" for line in lines).encode()
        entry = {
            "next": page.next if page.records else None,  # an empty page ends every interface
            "records": len(page.records),
            "sha256": hashlib.sha256(body).hexdigest(),
            "snapshot": page.snapshot,
        }
        self._check_advance(entry)
        # mtime=0: the same records make the same file, whenever they are fetched.
        write_whole(self._path(len(self._entries)), gzip.compress(body, 6, mtime=0))
        with open_appending(self._journal) as stream:
            stream.write(json.dumps(entry).encode() + b"\n")
            # Only an entry that is on the disk lets the next process go on behind it.
            os.fsync(stream.fileno())
        self._entries.append(entry)

    def _check_advance(self, entry: Mapping[str, Any]) -> None:
        """Reject a page that shows that the harvest would never end, or mix two databases."""
        hashes = {earlier["sha256"] for earlier in self._entries if earlier["records"]}
        cursors = [earlier["next"] for earlier in self._entries]
        if entry["sha256"] in hashes or (entry["next"] is not None and entry["next"] in cursors):
            raise FetchError(
                f"The interface sends a page again that it has sent before ({len(cursors)} pages "
                f"are in '{self.folder}'); try again later, or ask for smaller pages."
            )
        if self._entries and entry["snapshot"] != self._entries[-1]["snapshot"]:
            raise FetchError(
                f"The database changed from '{self._entries[-1]['snapshot']}' to "
                f"'{entry['snapshot']}' between two pages; remove '{self.folder}' to begin anew."
            )

    def _read(self, index: int) -> list[Any]:
        path = self._path(index)
        try:
            body = unpack_gzip(path.read_bytes(), _LARGEST_PAGE)
        except (OSError, EOFError, ValueError) as error:
            raise self._damaged(path) from error
        if hashlib.sha256(body).hexdigest() != self._entries[index]["sha256"]:
            raise self._damaged(path)
        return [parse_json(line, largest=None) for line in body.splitlines()]

    def _damaged(self, path: Path) -> FetchError:
        return FetchError(
            f"The page '{path}' is missing or damaged; remove '{self.folder}' and fetch again."
        )

    def _path(self, index: int) -> Path:
        return self.folder / "pages" / f"{index:06d}.jsonl.gz"


def _read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the entries, and cut off a line that a crash left unfinished."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        cut(path, len(whole))
    return [parse_json(line) for line in whole.splitlines()]
