"""Imported datasets: made from files, listed by the registry, opened like any other."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from matsciml_core.data._resumable import write_json
from matsciml_core.data.fetch.progress import Report, silent
from matsciml_core.data.importing.frames import Frame, Naming, to_crystals
from matsciml_core.data.importing.labels import LabelColumn, parse_label
from matsciml_core.data.importing.readers import detect_format, read_frames
from matsciml_core.data.importing.tables import read_table
from matsciml_core.data.ingestion import (
    Conversion,
    Manifest,
    fingerprint_of,
    from_iterable,
    ingest,
    read_manifest,
)
from matsciml_core.data.store_dataset import StoreDataset
from matsciml_core.errors import ConfigError, DataError, did_you_mean
from matsciml_core.interfaces.config import Config
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.imported import FORMAT, RECORD, VERSION, store_of
from matsciml_core.registry.specs import DatasetSpec

_PROBED = 64
"""Records that are looked at before the import begins, for labels that are misspelt."""


class ImportedDataset(StoreDataset):
    """A dataset that the user imported.

    Args:
        folder: The dataset's folder, see ``matsciml_core.registry.imported``.
        config: None; there is nothing to set.

    Raises:
        DataError: The dataset is damaged.
    """

    def __init__(self, folder: str, config: Config | None = None) -> None:
        """Open the store."""
        place = Path(folder)
        super().__init__(store_of(place), config, place / "splits")


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """What a person says about files that are to become a dataset."""

    labels: tuple[str, ...]
    """``NAME=UNIT`` or ``NAME=COLUMN:UNIT``."""
    per_atom: tuple[str, ...] = ()
    """Names of labels with one value per atom; of forces it is known."""
    form: str | None = None
    """Format; None: by the files' names."""
    naming: Naming = field(default_factory=Naming)
    table: Path | None = None
    """CSV file with further values; its first column holds the ids."""
    source: str = ""
    """Where the data come from; empty: the files' names."""
    release: str = ""
    licence: str = ""
    workers: int = 1


def understand(paths: Sequence[Path], settings: ImportSettings) -> Conversion:
    """Return files as something that can be ingested.

    Args:
        paths: Files or folders.
        settings: What was said about them.

    Raises:
        ConfigError: A setting is wrong, or a label does not occur.
        UnitError: A unit is unknown.
        DataError: A file is broken.
    """
    labels = [parse_label(text, per_atom=_named(text, settings)) for text in settings.labels]
    forms = [settings.form or detect_format(path) for path in paths]
    table = None if settings.table is None else read_table(settings.table)

    def frames() -> Any:
        readers = (
            read_frames(path, form, settings.workers)
            for path, form in zip(paths, forms, strict=True)
        )
        return chain.from_iterable(readers)

    _check_labels(labels, list(islice(frames(), _PROBED)), table, paths)
    names = ", ".join(path.name for path in paths)
    counted = [path for path in (*paths, settings.table) if path is not None]
    return Conversion(
        source=from_iterable(lambda: to_crystals(frames(), labels, settings.naming, table)),
        targets=[label.info for label in labels],
        provenance=Provenance(
            source=settings.source or names, release=settings.release, licence=settings.licence
        ),
        fingerprint=fingerprint_of(counted, labels, settings.naming, forms),
        summary=f"Imported from {names}.",
    )


def add_dataset(
    name: str,
    conversion: Conversion,
    *,
    to: Path | None = None,
    replace_existing: bool = False,
    report: Report = silent,
) -> Manifest:
    """Make a dataset that ``matsciml run --dataset NAME`` finds.

    Args:
        name: What it shall be called.
        conversion: What is to be ingested.
        to: Folder for the store; None: in the data folder.
        replace_existing: Whether to remove an imported dataset of that name first.
        report: Receives progress.

    Returns:
        What became of the records.

    Raises:
        RegistryError: The name is not valid.
        DataError: There is a dataset of that name already, or no record can be used.
    """
    DatasetSpec(name=name, summary="", target="a:b")  # checks the name
    folder = dataset_folder(name)
    store = folder / "store" if to is None else to.absolute()
    if replace_existing:
        remove_dataset(name)
    elif (folder / RECORD).exists():
        _check_same(name, store_of(folder), conversion)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = ingest(
        conversion.source,
        store,
        targets=conversion.targets,
        provenance=conversion.provenance,
        fingerprint=conversion.fingerprint,
        label=name,
        total=conversion.total,
        report=report,
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


def _named(text: str, settings: ImportSettings) -> bool:
    return text.partition("=")[0].strip() in settings.per_atom


def _check_same(name: str, store: Path, conversion: Conversion) -> None:
    done = read_manifest(store)
    if done is None or done.fingerprint != conversion.fingerprint:
        raise DataError(
            f"There is an imported dataset '{name}' already, of other data; choose another --name, "
            "or give --replace."
        )


def _check_labels(
    labels: Sequence[LabelColumn], records: Sequence[Any], table: Any, paths: Sequence[Path]
) -> None:
    """Refuse labels that none of the first records has, before hours were spent."""
    frames = [record for record in records if isinstance(record, Frame)]
    known = {key for frame in frames for key in frame.values}
    known |= {key for row in (table or {}).values() for key in row}
    shown = ", ".join(sorted(filter(None, map(str, known)))) or "none"
    where = f"The first records of '{paths[0]}' have: {shown}."
    if not labels:
        raise ConfigError(f"Declare at least one label, for example --label energy=eV. {where}")
    for label in labels:
        if frames and label.column not in known:
            raise ConfigError(
                f"There is no value '{label.column}'.{did_you_mean(label.column, known)} {where} "
                f"Write --label {label.info.name}=COLUMN:UNIT where it has another name."
            )
