"""Settings of the fetch of ``oqmd``; the dataset has those of every fetched dataset."""

from __future__ import annotations

from pydantic import Field

from matsciml_core import Config


class OQMDFetchConfig(Config):
    """How to ask the source."""

    page: int = Field(default=500, ge=1, le=5000)
    """Crystals per request; fewer where the server resets the connection."""
