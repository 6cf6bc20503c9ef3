"""Settings of the datasets ``s2ef`` and ``is2re``, and of fetching them."""

from __future__ import annotations

from matsciml_core import Config
from matsciml_core.data.fetch.fetched_config import FetchedConfig


class OCPConfig(FetchedConfig):
    """Which systems to serve."""


class OCPFetchConfig(Config):
    """Where the files come from."""

    sources: str | None = None
    """A JSON file that lists the files with their checksums, like the plugin's own
    ``sources.json``, for a mirror that has other files; None: the published ones."""
