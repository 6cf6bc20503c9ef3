"""Settings of every fetched dataset. Nothing here imports torch."""

from __future__ import annotations

from pydantic import Field

from matsciml_core.interfaces.config import Config


class FetchedConfig(Config):
    """Which crystals of a fetched dataset to serve."""

    path: str | None = None
    """Folder of a store; None: what was fetched last."""
    max_atoms: int | None = Field(default=None, ge=1)
    """Serve only crystals with at most this many atoms in the cell; None: all."""
