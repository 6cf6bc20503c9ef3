"""Settings of the dataset ``carolina``, and of its fetch."""

from __future__ import annotations

from pydantic import Field

from matsciml_core import Config


class CarolinaConfig(Config):
    """Which crystals to serve."""

    path: str | None = None
    """Folder of a store; None: what was fetched last."""
    max_atoms: int | None = Field(default=None, ge=1)
    """Serve only crystals with at most this many atoms in the cell; None: all."""


class CarolinaFetchConfig(Config):
    """Where to fetch from."""

    from_site: bool = False
    """Ask the database's own site for every crystal, two requests each, instead of taking one file
    from Zenodo; takes more than two days."""
