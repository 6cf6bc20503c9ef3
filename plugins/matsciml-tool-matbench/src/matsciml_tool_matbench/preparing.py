"""A task's file becomes a dataset, and its five folds a file that ``matsciml folds --by`` takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from matsciml_core import TargetInfo
from matsciml_core.data.ingestion.conversion import (
    Conversion,
    Item,
    Manifest,
    fingerprint_of,
    from_iterable,
)
from matsciml_core.data.readers import Naming, add_dataset, read, to_crystals
from matsciml_core.data.readers.frames import Frame, Record
from matsciml_core.data.readers.labels import LabelColumn
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import hash_of, write_json
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.progress import Report, silent
from matsciml_core.registry.folders import dataset_folder
from matsciml_tool_matbench.tasks import ADDRESS, MatbenchTask
from matsciml_util_sources.client import Client
from matsciml_util_sources.download import RemoteFile, download

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

FOLDS = 5
_SEED = 18012019
"""Of the published folds."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A task that can be run."""

    manifest: Manifest
    """What became of the records."""
    folds: Path
    """File with the ids of each fold's test set."""


def prepare(
    task: MatbenchTask,
    folds: Path,
    registry: Registry,
    *,
    file: Path | None = None,
    replace_existing: bool = False,
    report: Report = silent,
) -> Prepared:
    """Make a dataset of a task, and write its folds.

    Args:
        task: The task.
        folds: Where the folds are written.
        registry: Where the reader of JSON is looked up.
        file: The task's file; None: it is fetched into the folder of the dataset.
        replace_existing: Whether a dataset of that name is replaced.
        report: Receives progress.

    Raises:
        ConfigError: The task's inputs are compositions.
        DataError: The file is not the published one, or the dataset exists.
        FetchError: The file cannot be fetched.
    """
    require_structures(task)
    if file is None:
        remote = RemoteFile(
            url=f"{ADDRESS}/{task.file}", name=task.file, checksum=f"sha256:{task.sha256}"
        )
        file = download(Client(), remote, dataset_folder(task.dataset) / "raw", report=report)
    elif hash_of(file) != task.sha256:
        raise DataError(
            f"'{file}' is not the file of {task.full_name} that was published (its SHA-256 is "
            f"another); fetch it from {ADDRESS}/{task.file}."
        )
    # Before the dataset is there: without its folds a second call would refuse to replace it.
    ids = published_folds(task, _classes(task, file, registry))
    manifest = add_dataset(
        task.dataset,
        conversion(task, file, registry),
        replace_existing=replace_existing,
        report=report,
    )
    write_json(folds, ids)
    return Prepared(manifest=manifest, folds=folds)


def require_structures(task: MatbenchTask) -> None:
    """Reject a task whose inputs are compositions.

    Raises:
        ConfigError: They are.
    """
    if task.input != "structure":
        raise ConfigError(
            f"The inputs of {task.full_name} are compositions, without cells and positions, and "
            "models here learn from crystals; choose a task with structures, see matsciml "
            "matbench list."
        )


def conversion(task: MatbenchTask, file: Path, registry: Registry) -> Conversion:
    """Return the file of a task as something that can be ingested.

    Args:
        task: The task.
        file: Its file.
        registry: Where the reader of JSON is looked up.
    """
    info = TargetInfo(
        name=task.label,
        kind="binary" if task.is_class else "scalar",
        unit=task.unit,
        extensive=task.extensive,
    )
    label = LabelColumn(info=info, column=task.column, factor=task.factor)

    def items() -> Iterator[Item]:
        return to_crystals(_records(task, file, registry), [label], Naming())

    return Conversion(
        source=from_iterable(items),
        targets=[info],
        provenance=Provenance(
            source=f"MatBench v0.1, {task.full_name} ({ADDRESS}/{task.file})", release="0.1"
        ),
        fingerprint=fingerprint_of([file], task.full_name),
        summary=f"{task.size:,} crystals of MatBench's task {task.full_name}.",
        total=task.size,
    )


def published_folds(
    task: MatbenchTask, classes: Sequence[bool] | None = None
) -> dict[str, list[str]]:
    """Return the ids of the test set of each fold, as the benchmark has published them.

    Args:
        task: The task.
        classes: The class of each record, for a task of classes.

    Raises:
        ConfigError: The classes are missing.
    """
    options = {"n_splits": FOLDS, "shuffle": True, "random_state": _SEED}
    places = np.zeros(task.size)
    if not task.is_class:
        split = KFold(**options).split(places)
    elif classes is not None:
        split = StratifiedKFold(**options).split(places, np.asarray(classes))
    else:
        raise ConfigError(f"The folds of {task.full_name} follow from its classes; give them.")
    return {
        f"fold_{fold}": [task.crystal_id(int(index)) for index in test]
        for fold, (_, test) in enumerate(split)
    }


def _records(task: MatbenchTask, file: Path, registry: Registry) -> Iterator[Record]:
    """Yield the records of a file under the ids that the ``matbench`` package gives them."""
    count = 0
    for index, record in enumerate(read(file, "json", registry=registry)):
        count += 1
        name = task.crystal_id(index)
        yield replace(record, name=name) if isinstance(record, Frame) else replace(record, id=name)
    if count != task.size:
        raise DataError(f"'{file}' has {count:,} records, and {task.full_name} {task.size:,}.")


def _classes(task: MatbenchTask, file: Path, registry: Registry) -> list[bool] | None:
    """Return the class of each record; None of a task of numbers, whose folds need none."""
    if not task.is_class:
        return None
    classes = []
    for record in _records(task, file, registry):
        if not isinstance(record, Frame):
            raise DataError(
                f"'{record.id}' of '{file}' cannot be read: {record.detail or record.reason}"
            )
        classes.append(bool(record.values[task.column]))
    return classes
