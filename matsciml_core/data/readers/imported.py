"""Imported datasets: made from files, listed by the registry, opened like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

from matsciml_core.data.ingestion.conversion import Conversion, Manifest, ingest, read_manifest
from matsciml_core.data.ingestion.pool import SERIAL, PoolConfig
from matsciml_core.data.readers.imported_config import ImportedConfig
from matsciml_core.data.store.store_dataset import StoreDataset
from matsciml_core.errors import DataError
from matsciml_core.files import write_json
from matsciml_core.progress import Report, silent
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.imported import FORMAT, RECORD, VERSION, store_of
from matsciml_core.registry.specs import DatasetSpec


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
        replace_existing: Whether to remove an imported dataset of that name first.
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
    # Absolute, because the record of the dataset is read from any working directory.
    store = folder / "store" if to is None else to.absolute()
    if replace_existing:
        remove_dataset(name)
    elif (folder / RECORD).exists():
        done = read_manifest(store_of(folder))
        if done is None or done.fingerprint != conversion.fingerprint:
            raise DataError(
                f"There is an imported dataset '{name}' already, of other data; choose another "
                "--name, or give --replace."
            )
    folder.mkdir(parents=True, exist_ok=True)
    manifest = ingest(
        conversion.source,
        store,
        targets=conversion.targets,
        provenance=conversion.provenance,
        site_properties=conversion.site_properties,
        fingerprint=conversion.fingerprint,
        label=name,
        total=conversion.total,
        report=report,
        pool=pool,
    )
    record = {"format": FORMAT, "version": VERSION, "summary": conversion.summary}
    write_json(folder / RECORD, {**record, "store": "store" if to is None else str(store)})
    return manifest


def remove_dataset(name: str) -> None:
    """Remove an imported dataset, its store where that lies in the data folder, and its splits.

    What a plugin fetched under the same name is left alone.
    """
    folder = dataset_folder(name)
    (folder / RECORD).unlink(missing_ok=True)
    for part in ("store", "splits"):
        shutil.rmtree(folder / part, ignore_errors=True)
