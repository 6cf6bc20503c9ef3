"""Settings of the dataset ``mp``, and of fetching it."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field, field_validator

from matsciml_core import Config


class MPConfig(Config):
    """Which Materials Project crystals to serve."""

    release: str = "mini"
    """``mini``: the 6,317 crystals that are installed with the plugin; or a release that was
    fetched, such as ``2022-10-28``."""
    max_atoms: int | None = Field(default=None, ge=1)
    """Serve only crystals with at most this many atoms in the cell; None: all.

    Splits are restricted to them: no crystal moves from one subset to another.
    """

    @field_validator("release", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """Undo that YAML reads a release as a date."""
        return value.isoformat() if isinstance(value, date) else value


class MPFetchConfig(Config):
    """What to take of a release; the defaults are the rules of the published benchmark."""

    include_gnome: bool = False
    """Whether to take crystals that come from GNoME, whose licence forbids commercial use."""
    include_deprecated: bool = False
    """Whether to take materials that the Materials Project has withdrawn."""
    min_sites: int = Field(default=2, ge=1)
    """Take only crystals with at least this many sites in the cell."""
    threads: int = Field(default=12, ge=1, le=64)
    """Objects of the bucket that are fetched at the same time."""
