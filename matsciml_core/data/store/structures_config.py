"""Settings of a dataset that is a store anywhere."""

from __future__ import annotations

from matsciml_core.interfaces.config import Config


class StructuresConfig(Config):
    """Where the store lies."""

    folder: str
    """Folder of the store; absolute, or relative to where the command runs."""
