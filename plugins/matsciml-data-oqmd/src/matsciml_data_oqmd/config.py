"""Settings of the dataset ``oqmd``, and of its fetch."""

from __future__ import annotations

from pydantic import Field

from matsciml_core import Config
from matsciml_core.data.fetch.fetched_config import FetchedConfig


class OQMDConfig(FetchedConfig):
    """Which crystals to serve."""


class OQMDFetchConfig(Config):
    """How to ask the source."""

    page: int = Field(default=500, ge=1, le=5000)
    """Crystals per request; fewer where the server resets the connection."""
