"""Settings of the dataset ``carolina``, and of its fetch."""

from __future__ import annotations

from matsciml_core import Config
from matsciml_core.data.fetch.fetched_config import FetchedConfig


class CarolinaConfig(FetchedConfig):
    """Which crystals to serve."""


class CarolinaFetchConfig(Config):
    """Where to fetch from."""

    from_site: bool = False
    """Ask the database's own site for every crystal, two requests each, instead of taking one file
    from Zenodo; takes more than two days."""
