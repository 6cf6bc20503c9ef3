"""Which store a fetched dataset opens."""

from __future__ import annotations

from pathlib import Path

from matsciml_core.data.fetch.locations import latest_store
from matsciml_core.errors import DataError


def choose_store(name: str, path: str | None, *, advice: str) -> Path:
    """Return the store that the user named, or the one fetched last of those still there.

    Args:
        name: Registry name of the dataset.
        path: What the user named; None: nothing.
        advice: What to know before fetching, for the message where nothing is there: how long it
            takes, for example.

    Raises:
        DataError: Nothing was named, and nothing that was fetched is there.
    """
    if path is not None:
        return Path(path).expanduser()
    store = latest_store(name)
    if store is None:
        raise DataError(
            f"There is no data of '{name}' on this machine; run: matsciml data fetch {name} "
            f"({advice})."
        )
    return store
