"""Settings of every imported dataset. Nothing here imports torch."""

from __future__ import annotations

from pydantic import Field

from matsciml_core.interfaces.config import Config


class ImportedConfig(Config):
    """Which crystals of an imported dataset to serve."""

    max_atoms: int | None = Field(default=None, ge=1)
    """Serve only crystals with at most this many atoms in the cell; empty: all."""
