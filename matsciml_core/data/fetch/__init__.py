"""Fetched data: what a dataset plugin is asked for, and where its stores lie.

How to ask a server is not here: the core opens no connection. ``matsciml-util-sources`` has what
dataset plugins share, from a client that resumes and checks to buckets and archives.
"""

from matsciml_core.data.fetch.locations import (
    fetched_stores,
    latest_store,
    note_store,
    present_stores,
    store_key,
)
from matsciml_core.data.fetch.request import FetchRequest

__all__ = [
    "FetchRequest",
    "fetched_stores",
    "latest_store",
    "note_store",
    "present_stores",
    "store_key",
]
