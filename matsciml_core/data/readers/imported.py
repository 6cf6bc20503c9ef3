"""Imported datasets: made from files, listed by the registry, opened like any other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core.data.ingestion.conversion import (
    Conversion,
    Manifest,
    Rejection,
    fingerprint_of,
    from_iterable,
    ingest,
    read_manifest,
)
from matsciml_core.data.ingestion.pool import SERIAL, PoolConfig
from matsciml_core.data.readers.formats import CARTESIAN, detect_format, read_frames
from matsciml_core.data.readers.frames import Frame, Naming, to_crystals
from matsciml_core.data.readers.imported_config import ImportedConfig
from matsciml_core.data.readers.labels import LabelColumn, parse_label
from matsciml_core.data.readers.tables import read_table
from matsciml_core.data.store.store_dataset import StoreDataset
from matsciml_core.errors import ConfigError, DataError, did_you_mean
from matsciml_core.files import write_json
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.progress import Report, silent
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.imported import FORMAT, RECORD, VERSION, store_of
from matsciml_core.registry.specs import DatasetSpec

_PROBED = 64
"""Records that are looked at before the import begins, for labels that are misspelt."""


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
        place = Path(folder)
        super().__init__(store_of(place), config, place / "splits")
        self.keep_up_to(None if config is None else config.max_atoms)


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """What a person says about files that are to become a dataset."""

    labels: tuple[str, ...]
    """``NAME=UNIT`` or ``NAME=COLUMN:UNIT``."""
    per_atom: tuple[str, ...] = ()
    """Names of labels with one value per atom; of forces it is known."""
    form: str | None = None
    """Format; None: by the files' names."""
    fractional: bool = False
    """Whether positions are fractions of the lattice vectors, where the format says Cartesian."""
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
    _check_fractional(forms, settings)
    table = None if settings.table is None else read_table(settings.table)

    def frames() -> Any:
        readers = (
            read_frames(path, form, settings.workers)
            for path, form in zip(paths, forms, strict=True)
        )
        records = chain.from_iterable(readers)
        return map(_as_cartesian, records) if settings.fractional else records

    probed = list(islice(frames(), _PROBED))
    _check_labels(labels, probed, settings.naming, table, paths)
    names = ", ".join(path.name for path in paths)
    counted = [path for path in (*paths, settings.table) if path is not None]
    return Conversion(
        source=from_iterable(lambda: to_crystals(frames(), labels, settings.naming, table)),
        targets=[label.info for label in labels],
        provenance=Provenance(
            source=settings.source or names, release=settings.release, licence=settings.licence
        ),
        fingerprint=fingerprint_of(counted, labels, settings.naming, forms, settings.fractional),
        summary=f"Imported from {names}.",
        site_properties=sorted(
            {name for one in probed if isinstance(one, Frame) for name in one.site_properties}
        ),
    )


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


def _named(text: str, settings: ImportSettings) -> bool:
    return text.partition("=")[0].strip() in settings.per_atom


def _check_fractional(forms: Sequence[str], settings: ImportSettings) -> None:
    aware = [form for form in forms if form not in CARTESIAN]
    if settings.fractional and aware:
        raise ConfigError(
            f"'{aware[0]}' says itself what its positions are; '--fractional' is for formats that "
            f"hold Cartesian ones: {', '.join(CARTESIAN)}."
        )


def _as_cartesian(record: Frame | Rejection) -> Frame | Rejection:
    if isinstance(record, Rejection):
        return record
    cell = np.asarray(record.cell, dtype=np.float64)
    return replace(record, positions=np.asarray(record.positions, dtype=np.float64) @ cell)


def _check_same(name: str, store: Path, conversion: Conversion) -> None:
    done = read_manifest(store)
    if done is None or done.fingerprint != conversion.fingerprint:
        raise DataError(
            f"There is an imported dataset '{name}' already, of other data; choose another --name, "
            "or give --replace."
        )


def _check_labels(
    labels: Sequence[LabelColumn],
    records: Sequence[Any],
    naming: Naming,
    table: Mapping[str, Mapping[str, Any]] | None,
    paths: Sequence[Path],
) -> None:
    """Refuse labels that none of the first records has, before hours were spent."""
    names = [label.info.name for label in labels]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"The label '{twice}' is declared twice; give each another name.")
    frames = [record for record in records if isinstance(record, Frame)]
    if not frames:
        return  # what is wrong with the records is more than a label
    known = {key for frame in frames for key in frame.values}
    known |= {key for row in (table or {}).values() for key in row}
    where = _what_there_is(known, paths[0])
    if not labels:
        raise ConfigError(f"Declare at least one label, for example --label energy=eV. {where}")
    for label in labels:
        if label.column not in known:
            raise ConfigError(
                f"There is no value '{label.column}'.{did_you_mean(label.column, known)} {where}"
            )
    ids = [naming.name(frame) for frame in frames]
    if table and not any(name in table for name in ids):
        raise ConfigError(
            f"The table has none of the first structures: its ids look like '{next(iter(table))}', "
            f"those of '{paths[0]}' like '{ids[0]}'."
        )


def _what_there_is(known: set[str], path: Path) -> str:
    shown = ", ".join(sorted(filter(None, map(str, known))))
    if shown:
        return (
            f"The first records of '{path}' have: {shown}. Write --label NAME=COLUMN:UNIT where a "
            "label has another name."
        )
    return (
        f"'{path}' holds structures and nothing else; give their labels in a CSV file, ids in its "
        "first column, with --table."
    )
