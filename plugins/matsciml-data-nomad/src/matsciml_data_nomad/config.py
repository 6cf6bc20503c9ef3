"""Settings of the dataset ``nomad``, and of its fetch."""

from __future__ import annotations

from pydantic import Field

from matsciml_core import Config


class NOMADConfig(Config):
    """Which crystals to serve."""

    path: str | None = None
    """Folder of a store; None: what was fetched last."""
    max_atoms: int | None = Field(default=None, ge=1)
    """Serve only crystals with at most this many atoms in the cell; None: all."""


class NOMADFetchConfig(Config):
    """How to ask the source."""

    page: int = Field(default=500, ge=1, le=1000)
    """Entries per request; fewer where the server gives up on large answers."""
