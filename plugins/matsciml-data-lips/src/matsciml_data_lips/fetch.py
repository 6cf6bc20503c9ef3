"""LiPS from the Materials Cloud Archive: one file of extended XYZ, found by its DOI.

The archive moved to InvenioRDM, and the addresses in other programs lead nowhere since; the DOI
still leads to the record, and the record lists its files with their checksums.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from matsciml_core.data import ingest
from matsciml_core.data.fetch import FetchRequest
from matsciml_core.data.ingestion.conversion import Item
from matsciml_core.errors import FetchError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_lips.declaration import SPEC
from matsciml_data_lips.readers import xyz_crystals
from matsciml_util_sources.client import Client, connected
from matsciml_util_sources.download import RemoteFile, download
from matsciml_util_sources.invenio import (
    MATERIALS_CLOUD,
    find_record,
    list_files,
    remembered_file,
)

DOI = "10.24435/materialscloud:s0-5n"
FILE = "lips.xyz"


def fetch(request: FetchRequest) -> Path:
    """Fetch the trajectory, and make a store of it or of its first ``limit`` frames.

    Args:
        request: Where to put it.

    Returns:
        The store's folder.

    Raises:
        FetchError: The archive does not answer, or has no such file any more.
        UnitError: Energies or forces are not in eV and eV/Å.
    """
    if request.release is not None or request.subset is not None:
        raise FetchError("LiPS has one release, as a whole; leave --release and --split out.")
    request = connected(request)
    raw = request.folder / "raw"
    file = remembered_file(raw / "record.json", lambda: find_file(request.client))
    path = download(request.client, file, raw, report=request.report)
    # A trial gets a folder of its own, so that it never passes for the whole trajectory.
    store = request.folder / ("store" if request.limit is None else f"store-first-{request.limit}")

    def frames(start: int) -> Iterator[Item]:
        rest = None if request.limit is None else max(0, request.limit - start)
        return islice(xyz_crystals(path, start), rest)

    ingest(
        frames,
        store,
        targets=SPEC.targets,
        provenance=Provenance.from_spec(SPEC, f"{file.name}, {file.checksum}"),
        fingerprint=file.checksum,
        label="LiPS frames",
        total=request.limit,
        report=request.report,
    )
    return store


def find_file(client: Client) -> RemoteFile:
    """Return where the trajectory lies, with its size and checksum.

    Raises:
        FetchError: The archive has no such record, or the record no such file.
    """
    record = find_record(client, MATERIALS_CLOUD, DOI)
    files = list_files(client, MATERIALS_CLOUD, record)
    if FILE not in files:
        raise FetchError(
            f"The record '{record}' of the Materials Cloud Archive has no file '{FILE}' but "
            f"{', '.join(sorted(files)) or 'none'}; it has changed."
        )
    return files[FILE]
