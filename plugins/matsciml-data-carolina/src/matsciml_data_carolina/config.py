"""Settings of the fetch of ``carolina``; the dataset has those of every fetched dataset."""

from __future__ import annotations

from matsciml_core import Config


class CarolinaFetchConfig(Config):
    """Where to fetch from."""

    from_site: bool = False
    """Ask the database's own site for every crystal, two requests each, instead of taking one file
    from Zenodo; takes more than two days."""
