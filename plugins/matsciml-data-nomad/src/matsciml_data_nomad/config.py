"""Settings of the fetch of ``nomad``; the dataset has those of every fetched dataset."""

from __future__ import annotations

from pydantic import Field

from matsciml_core import Config


class NOMADFetchConfig(Config):
    """How to ask the source."""

    page: int = Field(default=500, ge=1, le=1000)
    """Entries per request; fewer where the server gives up on large answers."""
