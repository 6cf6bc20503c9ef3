"""Settings of the dataset ``nomad``, and of its fetch."""

from __future__ import annotations

from pydantic import Field

from matsciml_core import Config
from matsciml_core.data.fetch.fetched_config import FetchedConfig


class NOMADConfig(FetchedConfig):
    """Which crystals to serve."""


class NOMADFetchConfig(Config):
    """How to ask the source."""

    page: int = Field(default=500, ge=1, le=1000)
    """Entries per request; fewer where the server gives up on large answers."""
