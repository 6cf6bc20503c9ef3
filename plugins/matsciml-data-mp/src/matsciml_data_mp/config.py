"""Settings of the dataset ``mp``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from matsciml_core import Config


class MPConfig(Config):
    """Which Materials Project crystals to serve."""

    source: Literal["mini"] = "mini"
    """``mini``: the 6,317 crystals that are installed with the plugin."""
    max_atoms: int | None = Field(default=None, ge=1)
    """Serve only crystals with at most this many atoms in the cell; None: all.

    The shipped split is restricted to them: no crystal moves from one part to another.
    """
