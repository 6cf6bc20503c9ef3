"""Which releases are on this machine. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from matsciml_core.data.fetch import present_stores
from matsciml_core.errors import DataError
from matsciml_core.guarded import read_json

NAME = "mp"
MINI = "mini"
API = "api"
"""What ``--release`` calls the present database, over the interface that needs a key."""
DEFAULT_RELEASE = "2022-10-28"
"""The release that the published benchmark was made of, as far as its ids tell."""


def fetched_releases() -> dict[str, Path]:
    """Return the stores of releases on this machine, the latest one last.

    A store is listed under the name that was asked for; what was fetched without a name, under
    that of the release it turned out to be.
    """
    return {
        _release_of(store) if key == "default" else key: store
        for key, store in present_stores(NAME).items()
    }


def find_release(release: str) -> Path:
    """Return the store of a release.

    Args:
        release: Its name, ``2022-10-28`` or ``2022.10.28``.

    Raises:
        DataError: It is not on this machine.
    """
    fetched = fetched_releases()
    for key, store in reversed(fetched.items()):  # of two fetches of one release, the later
        if canonical(release) in (canonical(key), canonical(_release_of(store))):
            return store
    raise DataError(
        f"The release '{release}' of the Materials Project is not on this machine (here are: "
        f"{', '.join((MINI, *fetched))}); to fetch it, run: "
        f"matsciml data fetch mp --release {canonical(release)}."
    )


def canonical(release: str) -> str:
    """Return the name of a release as the bucket writes it.

    Args:
        release: As the interface, the bucket or a person writes it.

    >>> canonical("v2022.10.28"), canonical("2024-11-14-post1"), canonical("api")
    ('2022-10-28', '2024-11-14-post1', 'api')
    """
    text = release.strip().lower()
    return text.removeprefix("v").replace(".", "-") if any(map(str.isdigit, text)) else text


def _release_of(store: Path) -> str:
    index = read_json(store / "index.json")
    return str(index["meta"]["release"])
