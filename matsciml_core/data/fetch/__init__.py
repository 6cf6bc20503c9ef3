"""Fetching: files that resume, pages that are never asked for twice, hosts treated gently."""

from matsciml_core.data.fetch.addresses import Addresses, safe_url
from matsciml_core.data.fetch.client import Client
from matsciml_core.data.fetch.files import RemoteFile, download, verify
from matsciml_core.data.fetch.locations import fetched_stores, note_store, store_key
from matsciml_core.data.fetch.pacing import Retry, TokenBucket
from matsciml_core.data.fetch.progress import Meter, Progress, Report, silent
from matsciml_core.data.fetch.request import FetchRequest
from matsciml_core.data.fetch.spool import Page, PageSpool

__all__ = [
    "Addresses",
    "Client",
    "FetchRequest",
    "Meter",
    "Page",
    "PageSpool",
    "Progress",
    "RemoteFile",
    "Report",
    "Retry",
    "TokenBucket",
    "download",
    "fetched_stores",
    "note_store",
    "safe_url",
    "silent",
    "store_key",
    "verify",
]
