"""Settings of the formats. Nothing here imports torch."""

from __future__ import annotations

from matsciml_core import Config


class ParquetConfig(Config):
    """What of a table to read."""

    functional: str | None = None
    """Functional whose results are read, such as PBE; empty: the only one that the table has."""
