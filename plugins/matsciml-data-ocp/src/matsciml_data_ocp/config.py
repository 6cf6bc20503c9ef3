"""Settings of fetching ``s2ef`` and ``is2re``; the datasets have those of every fetched dataset."""

from __future__ import annotations

from matsciml_core import Config


class OCPFetchConfig(Config):
    """Where the files come from."""

    sources: str | None = None
    """A JSON file that lists the files with their checksums, like the plugin's own
    ``sources.json``, for a mirror that has other files; None: the published ones."""
