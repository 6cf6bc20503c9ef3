"""Imported datasets: made from files, listed by the registry, opened like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

from matsciml_core.data.ingestion.conversion import (
    Conversion,
    LateSiteProperty,
    Manifest,
    ingest,
    read_manifest,
)
from matsciml_core.data.ingestion.pool import SERIAL, PoolConfig
from matsciml_core.data.readers.imported_config import ImportedConfig
from matsciml_core.data.store.store_dataset import StoreDataset
from matsciml_core.errors import DataError
from matsciml_core.files import read_object, write_json
from matsciml_core.progress import Report, silent
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.imported import FORMAT, RECORD, REPLACEMENT, VERSION, store_of
from matsciml_core.registry.specs import DatasetSpec

_STORES = ("store", "store-2")
"""Folders of a dataset's store: what replaces the one in use grows in the other."""


class ImportedDataset(StoreDataset):
    """A dataset that the user imported.

    Args:
        folder: The dataset's folder, see ``matsciml_core.registry.imported``.
        config: Which crystals to serve; None: all.

    Raises:
        DataError: The dataset is damaged, or no crystal is left.
    """

    def __init__(self, folder: str, config: ImportedConfig | None = None) -> None:
        """Open the store and select the crystals."""
        path = Path(folder)
        super().__init__(store_of(path), config, path / "splits")
        self.keep_up_to(None if config is None else config.max_atoms)


def add_dataset(
    name: str,
    conversion: Conversion,
    *,
    to: Path | None = None,
    replace_existing: bool = False,
    report: Report = silent,
    pool: PoolConfig = SERIAL,
) -> Manifest:
    """Make a dataset that ``matsciml run --dataset NAME`` finds.

    Args:
        name: What it shall be called.
        conversion: What is to be ingested.
        to: Folder for the store; None: in the data folder.
        replace_existing: Whether to replace an imported dataset of that name, with its splits, once
            the new one is complete.
        report: Receives progress.
        pool: Which processes convert, where the files come in pieces.

    Returns:
        What became of the records.

    Raises:
        RegistryError: The name is not valid.
        DataError: There is a dataset of that name already, or no record can be used.
    """
    DatasetSpec(name=name, summary="", class_path="a:b")  # checks the name
    folder = dataset_folder(name)
    if to is not None:
        _settle(folder, to.absolute())
    exists = (folder / RECORD).exists()
    present = _present_store(folder) if exists else None
    # Absolute, because the record of the dataset is read from any working directory.
    store = folder / _STORES[0] if to is None else to.absolute()
    if exists and not replace_existing:
        done = None if present is None else read_manifest(present)
        if done is None or done.fingerprint != conversion.fingerprint:
            raise DataError(
                f"There is an imported dataset '{name}' already, made of other "
                "files, or with other labels; choose another --name, or give --replace."
            )
    replaced = present if replace_existing else None
    if replaced is not None and store == replaced:
        # Beside what is replaced: a file that turns out to be broken must not cost what there was.
        store = folder / _STORES[1] if to is None else store.with_name(f"{store.name}-replacement")
    ours = store.parent == folder or (to is not None and store != to.absolute())
    if replace_existing and ours and read_manifest(store) is not None:
        shutil.rmtree(store)  # finished, but never put in its place
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _ingest(name, conversion, store, report, pool)
    record = {"format": FORMAT, "version": VERSION, "summary": conversion.summary}
    if replaced is not None and to is not None and replaced == to.absolute():
        write_json(folder / RECORD, {**record, "store": str(replaced), REPLACEMENT: str(store)})
        _settle(folder, replaced)
    else:
        write_json(folder / RECORD, {**record, "store": store.name if to is None else str(store)})
        if replaced is not None and replaced.parent == folder:
            shutil.rmtree(replaced, ignore_errors=True)
    # Last: by now the record names the new one. Splits of the old one are refused until then.
    if replace_existing:
        shutil.rmtree(folder / "splits", ignore_errors=True)
    return manifest


def _settle(folder: Path, store: Path) -> None:
    """Bring a replacement to where the store lies; what a killed call left is brought there, too.

    Args:
        folder: The dataset's folder.
        store: The store's folder, which the user has named.
    """
    record = read_object(folder / RECORD) or {}
    replacement = store.with_name(f"{store.name}-replacement")
    if (record.get("store"), record.get(REPLACEMENT)) != (str(store), str(replacement)):
        return
    if replacement.is_dir():
        shutil.rmtree(store, ignore_errors=True)
        replacement.replace(store)
    write_json(folder / RECORD, {key: record[key] for key in record if key != REPLACEMENT})


def _ingest(
    name: str, conversion: Conversion, store: Path, report: Report, pool: PoolConfig
) -> Manifest:
    """Make the store; begun anew where a record late in a file marks atoms as none before did."""
    while True:
        try:
            return ingest(
                conversion.source,
                store,
                targets=conversion.targets,
                provenance=conversion.provenance,
                site_properties=tuple(sorted(conversion.site_properties)),
                fingerprint=conversion.fingerprint,
                remarks=conversion.remarks,
                label=name,
                total=conversion.total,
                share=conversion.share,
                report=report,
                pool=pool,
            )
        except LateSiteProperty:  # the source has added it to those of the conversion
            continue


def _present_store(folder: Path) -> Path | None:
    """Return where the store of a dataset lies; None where its record is damaged."""
    try:
        return store_of(folder)
    except DataError:
        return None


def remove_dataset(name: str) -> None:
    """Remove an imported dataset, its store where that lies in the data folder, and its splits.

    What a plugin fetched under the same name is left alone.
    """
    folder = dataset_folder(name)
    (folder / RECORD).unlink(missing_ok=True)
    for part in (*_STORES, "splits"):
        shutil.rmtree(folder / part, ignore_errors=True)
