"""The present database, over the interface that needs a key: page after page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from matsciml_core.data.fetch import FetchRequest
from matsciml_core.errors import FetchError
from matsciml_core.files import read_object, write_json
from matsciml_data_mp.objects import Piece, in_pieces
from matsciml_data_mp.records import FIELDS
from matsciml_data_mp.stores import DEFAULT_RELEASE
from matsciml_util_sources.client import RefusedError
from matsciml_util_sources.spool import Page, PageSpool

HOST = "api.materialsproject.org"
ADDRESS = f"https://{HOST}"
KEY_VARIABLE = "MP_API_KEY"
RATE = 5.0
"""Requests per second; hastier clients are locked out for a while."""
PAGE = 1000
"""Records per page, the most that the interface gives."""
_HEARTBEAT = "heartbeat.json"
_OLD_KEY = 16
"""Length of the keys of the interface that was switched off."""
_KEYLESS = f"matsciml data fetch mp --release {DEFAULT_RELEASE}"
_ADVICE = {
    401: f"did not accept the key in {KEY_VARIABLE}; compare it with the one at "
    "https://materialsproject.org/api",
    403: f"refuses the key in {KEY_VARIABLE}; see https://materialsproject.org/api whether it is "
    "still valid",
    414: "or a proxy on the way finds the query too long; go without that proxy",
}


class Database:
    """The present database.

    Args:
        request: Where to put the pages, and how many records are wanted.
        deprecated: Whether to ask for what was withdrawn, too.
    """

    def __init__(self, request: FetchRequest, *, deprecated: bool) -> None:
        """Open the spool of pages."""
        self._request, self._deprecated = request, deprecated
        folder = request.folder / ("raw" if request.limit is None else f"raw-{request.limit}")
        self._size = min(PAGE, request.limit or PAGE)
        query = {"fields": FIELDS, "page": self._size, "deprecated": deprecated}
        self.spool = PageSpool(folder, query | {"limit": request.limit})
        self._note = folder / _HEARTBEAT
        self._key = ""

    @property
    def release(self) -> str:
        """Version of the database that the pages come from."""
        return self.spool.snapshot

    @property
    def controlled(self) -> frozenset[str]:
        """Batches that the interface names as being under another licence."""
        batches = (read_object(self._note) or {}).get("access_controlled_batch_ids") or ()
        return frozenset(map(str, batches))

    def harvest(self) -> None:
        """Fetch the pages that are missing; where none is, no request is made.

        Raises:
            FetchError: There is no key, it is rejected, or the database changed between two pages.
        """
        if self.spool.complete:
            return
        self._key = read_key()
        self._request.client.pace(HOST, RATE)
        state = self._get("heartbeat", {})
        if not isinstance(state, dict) or not state.get("db_version"):
            raise FetchError(
                "The Materials Project's interface does not say which version its database has; "
                "it has changed, or a mirror is not one of it."
            )
        write_json(self._note, state)
        self.spool.harvest(
            lambda cursor: self._page(cursor or [False, 0], str(state["db_version"])),
            label="Materials Project",
            report=self._request.report,
        )

    def read(self, start: int) -> Iterator[Piece]:
        """Yield the records, some at a time.

        Args:
            start: Index of the first record to yield.
        """
        numbered = enumerate(self.spool.records(start), start + 1)
        return in_pieces((f"record {index}", record) for index, record in numbered)

    def _page(self, cursor: list[Any], version: str) -> Page:
        """Fetch one page.

        Args:
            cursor: Whether it is one of withdrawn materials, and the number of records before it.
            version: Version of the database.
        """
        withdrawn, skip = cursor
        parameters = {
            "deprecated": str(withdrawn).lower(),
            "_fields": ",".join(FIELDS),
            "_sort_fields": "material_id",  # without an order, pages might overlap
            "_limit": self._size,
            "_skip": skip,
        }
        answer = self._get("materials/summary/", parameters)
        try:
            records, total = list(answer["data"]), int(answer["meta"]["total_doc"])
        except (KeyError, TypeError, ValueError):
            raise FetchError(
                "The Materials Project's answer is no page of records; its interface has changed."
            ) from None
        end, limit = skip + len(records), self._request.limit
        following: list[Any] | None = [withdrawn, end]
        if not records or (limit is not None and self.spool.count + self._size >= limit):
            following = None
        elif end >= total:  # withdrawn materials are another query, which comes second
            following = [True, 0] if self._deprecated and not withdrawn else None
        return Page(records=records, next=following, total=total, snapshot=version)

    def _get(self, path: str, parameters: dict[str, Any]) -> Any:
        """Ask the interface; the key goes into a header, which no log and no error shows."""
        secrets = {"X-API-KEY": self._key}
        try:
            return self._request.client.get_json(f"{ADDRESS}/{path}", parameters, secrets=secrets)
        except RefusedError as error:
            if error.status not in _ADVICE:
                raise
            raise FetchError(
                f"The Materials Project {_ADVICE[error.status]} (status {error.status}), or fetch "
                f"without a key: {_KEYLESS}."
            ) from None


def read_key() -> str:
    """Return the user's key.

    Raises:
        FetchError: There is none, or one that cannot be right; the message does not show it.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    where = "https://materialsproject.org/api"
    if not key:
        raise FetchError(
            f"The Materials Project's interface needs a key: set {KEY_VARIABLE} to yours, from "
            f"{where}, or fetch without a key: {_KEYLESS}."
        )
    if len(key) == _OLD_KEY or not (key.isascii() and key.isprintable()):
        raise FetchError(
            f"{KEY_VARIABLE} holds no key of the present interface, which has 32 characters; get "
            f"one from {where}, or fetch without a key: {_KEYLESS}."
        )
    return key
