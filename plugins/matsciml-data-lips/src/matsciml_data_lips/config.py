"""Settings of the dataset ``lips``."""

from __future__ import annotations

from matsciml_core.data.fetch.fetched_config import FetchedConfig


class LiPSConfig(FetchedConfig):
    """Where the frames come from, and which of them to serve."""

    path: str | None = None
    """A local file: extended XYZ (``lips.xyz``), an LMDB of the Open MatSciML Toolkit (file or
    folder), or the folder of a store. It is converted once and then found without being named;
    empty: what was fetched, or converted last."""
