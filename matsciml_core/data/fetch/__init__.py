"""Fetching: files that resume, pages that are never asked for twice, hosts treated gently."""

from matsciml_core.data.fetch.addresses import Addresses, safe_url
from matsciml_core.data.fetch.client import Client, RefusedError
from matsciml_core.data.fetch.files import RemoteFile, download, identity_of, verify
from matsciml_core.data.fetch.locations import (
    fetched_stores,
    latest_store,
    note_store,
    present_stores,
    store_key,
)
from matsciml_core.data.fetch.pacing import Retry, TokenBucket
from matsciml_core.data.fetch.request import FetchRequest
from matsciml_core.files import read_object, write_json
from matsciml_core.progress import Meter, Progress, Report, silent

__all__ = [
    "Addresses",
    "Client",
    "FetchRequest",
    "Meter",
    "Progress",
    "RefusedError",
    "RemoteFile",
    "Report",
    "Retry",
    "TokenBucket",
    "download",
    "fetched_stores",
    "identity_of",
    "latest_store",
    "note_store",
    "present_stores",
    "read_object",
    "safe_url",
    "silent",
    "store_key",
    "verify",
    "write_json",
]
