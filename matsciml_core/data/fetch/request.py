"""What a dataset plugin is told when its user wants its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.data.ingestion.pool import SERIAL, PoolConfig
from matsciml_core.progress import Report, silent


@dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """The argument of the function that ``DatasetSpec.fetch`` names.

    The function downloads into ``folder / "raw"``, ingests into ``folder / "store"`` (see
    :func:`matsciml_core.data.ingest`), and returns the store's folder. Called again after it was
    killed it goes on; called again after it has finished it makes no request.
    """

    folder: Path
    """Folder of this dataset, release and subset; exists."""
    release: str | None = None
    """The release the user named; None: the plugin's default."""
    subset: str | None = None
    """What the user named with ``--split``, of a source that comes in subsets; None: default."""
    limit: int | None = None
    """Fetch about this many records and no more, for a trial; None: all."""
    options: Any = None
    """What the user set, an instance of ``DatasetSpec.fetch_config``; None: its defaults."""
    client: Any = None
    """Sends the requests, of the plugin's own kind, where a test or program brings one; None: the
    function makes it. The core opens no connection and knows no client."""
    report: Report = silent
    """Receives progress."""
    pool: PoolConfig = SERIAL
    """Which processes convert, for sources that come in pieces; see ``ParallelSource``."""
