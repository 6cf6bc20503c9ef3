"""Settings of the datasets ``s2ef`` and ``is2re``, and of fetching them."""

from __future__ import annotations

from pydantic import Field

from matsciml_core import Config


class OCPConfig(Config):
    """Which systems to serve."""

    path: str | None = None
    """Folder of a store; None: what was fetched last."""
    max_atoms: int | None = Field(default=None, ge=1)
    """Serve only systems with at most this many atoms; None: all."""


class OCPFetchConfig(Config):
    """Where the files come from."""

    sources: str | None = None
    """A JSON file that lists the files with their checksums, like the plugin's own
    ``sources.json``, for a mirror that has other files; None: the published ones."""
