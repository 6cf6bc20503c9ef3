"""Settings of the example components, which can be read without torch."""

from __future__ import annotations

from matsciml_core.interfaces.config import Config


class ExampleEncoderConfig(Config):
    """Settings of the example encoder."""

    width: int = 16
    """Width of both embeddings, dimensionless."""
    cutoff: float = 5.0
    """Longest edge, Å."""
