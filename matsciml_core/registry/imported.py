"""The datasets that the user imported: listed from small JSON files, without torch.

An imported dataset is a folder ``<data folder>/datasets/<name>`` with ``dataset.json``, which says
where the store lies (``store`` beside it, or elsewhere) and what it is in one line; labels, size
and provenance are those in the store's own index.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from matsciml_core.errors import DataError, MatSciMLError
from matsciml_core.registry.records import PluginRecord
from matsciml_core.registry.specs import DatasetSpec, Reference
from matsciml_core.registry.targets import TargetInfo

RECORD = "dataset.json"
FORMAT = "matsciml-dataset"
VERSION = 1
REPLACEMENT = "replacement"
"""Key of a record: where the store lies until it is moved to where ``store`` says."""
OWNER = "imported"
"""Stands where a plugin's distribution is shown."""
STRUCTURES = "structures"
"""The dataset that is a store anywhere, named by its folder, which the core itself has."""
_CLASS = "matsciml_core.data.readers.imported:ImportedDataset"
_CONFIG = "matsciml_core.data.readers.imported_config:ImportedConfig"


@dataclass(frozen=True, kw_only=True)
class ImportedSpec(DatasetSpec):
    """A dataset that the user imported; it belongs to no plugin, but to the data folder."""

    folder: str
    """The dataset's folder."""

    def load(self) -> Any:
        """Import the class and bind it to the folder: called with a config, it opens the data.

        Raises:
            PluginLoadError: The class cannot be imported.
        """
        return partial(super().load(), self.folder)


def structures_spec() -> DatasetSpec:
    """Return the record of the dataset :data:`STRUCTURES`.

    Runs on structures that a program handed over are recorded with it, so that they are resumed,
    repeated and compared like those on any other dataset.
    """
    return DatasetSpec(
        name=STRUCTURES,
        summary="Crystals in a store of your own, by its folder.",
        class_path="matsciml_core.data.store.structures:StructuresDataset",
        config="matsciml_core.data.store.structures_config:StructuresConfig",
        splits={"random": "80/10/10 of the crystals."},
    )


def imported_records(data: Path) -> list[PluginRecord]:
    """Return one record per imported dataset, sorted by name; damaged ones as failed.

    Args:
        data: The data folder; need not exist.
    """
    return [_record(path.parent) for path in sorted((data / "datasets").glob(f"*/{RECORD}"))]


def store_of(folder: Path) -> Path:
    """Return where the store of an imported dataset lies.

    Raises:
        DataError: The folder's record cannot be read.
    """
    data = _read(folder / RECORD)
    if data.get("format") != FORMAT or data.get("version", 0) > VERSION:
        raise DataError(
            f"'{folder / RECORD}' was written by a later release, or by something else; upgrade "
            "matsciml, or import the data again."
        )
    until_moved = data.get(REPLACEMENT)
    if isinstance(until_moved, str) and (folder / until_moved).is_dir():
        return folder / until_moved
    return folder / str(data["store"])  # an absolute path stays what it is


def _record(folder: Path) -> PluginRecord:
    record = PluginRecord(
        entry_point=folder.name, distribution=OWNER, version="", module="", state="ok"
    )
    # One damaged folder must not hide the others, as with plugins.
    try:
        return replace(record, specs=(_spec(folder),))
    except Exception as error:  # whatever a file that anybody wrote leads to
        reason = (
            str(error) if isinstance(error, MatSciMLError) else f"its files lack or mix {error}"
        )
        return replace(
            record,
            state="failed",
            reason=f"cannot be used: {reason}".rstrip("."),
            fix=f"Import the data again, or remove '{folder}'",
        )


def _spec(folder: Path) -> ImportedSpec:
    meta = _read(store_of(folder) / "index.json")["meta"]
    summary = _read(folder / RECORD)["summary"]
    texts = (summary, meta["licence"], meta["source"], meta["release"])
    if not all(isinstance(text, str) for text in texts) or not isinstance(meta["count"], int):
        raise TypeError("texts and numbers")  # what lists them would fail, for all datasets
    return ImportedSpec(
        name=folder.name,
        summary=summary,
        class_path=_CLASS,
        config=_CONFIG,
        references=tuple(Reference(**reference) for reference in meta["references"]),
        licence=meta["licence"],
        targets=tuple(TargetInfo.from_data(info) for info in meta["targets"]),
        size=meta["count"],
        source=", ".join(filter(None, (meta["source"], meta["release"]))),
        folder=str(folder),
    )


def _read(path: Path) -> dict[str, Any]:
    from matsciml_core.guarded import read_json  # most commands find nothing imported

    try:
        data = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' cannot be read.") from error
    if not isinstance(data, dict):
        raise DataError(f"'{path}' is no JSON object.")
    return data
