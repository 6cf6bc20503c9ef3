"""Readers of generated crystals and of references: files, datasets, the data of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers import read
from matsciml_core.errors import ConfigError, DataError, did_you_mean
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.split import Split
from matsciml_core.model.components import build_component
from matsciml_core.progress import Meter, Report, silent
from matsciml_core.training.config import build_config, normalise
from matsciml_core.training.config_data import read_config_file
from matsciml_core.training.run_folder import CONFIG, find_run
from matsciml_tool_generate.structures import ParsedStructure

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_CHUNK = 1024
_FORMS = "a dataset with its subset (NAME:test), a run with a subset (runs/latest:test), or a file"


def read_file(
    path: Path,
    registry: Registry,
    *,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    report: Report = silent,
    label: str = "",
    may_be_empty: bool = False,
) -> list[ParsedStructure]:
    """Return the structures of a file or folder, broken records included.

    Args:
        path: Extended XYZ, or what the installed readers read: CSV with a column ``cif`` (CDVAE's
            files), a folder of CIF files, …
        registry: Registry of the readers.
        format: Name of the reader; None: by the file's name and content.
        options: Settings of the format, as plain data.
        workers: Processes that read what takes long.
        report: Receives progress.
        label: Name of the file, for the progress.
        may_be_empty: Whether a file without a structure is not an error.

    Raises:
        ConfigError: Nothing is there, or the format cannot be told.
        DataError: The file is not of its format, or holds nothing.
    """
    records = read(path, format, registry=registry, options=options, workers=workers)
    meter = Meter(label or f"reading {path.name}", report, unit="crystals")
    structures = []
    for record in records:
        structures.append(ParsedStructure.from_record(record))
        meter.add()
    meter.finish()
    if not structures and not may_be_empty:
        raise DataError(f"'{path}' holds no structure; name another file.")
    return structures


def read_reference(
    text: str,
    registry: Registry,
    *,
    max_atoms: int | None = None,
    workers: int = 1,
    report: Report = silent,
) -> list[ParsedStructure]:
    """Return the crystals of a dataset, a run or a file, as the command line names them.

    Args:
        text: ``dataset:subset`` or ``dataset``; ``run:subset``, the data of a run with its
            settings and its split; or a file, see :func:`read_file`.
        registry: Registry of the datasets.
        max_atoms: Crystals with more atoms are left out; None: none.
        workers: Processes that read files.
        report: Receives progress.

    Raises:
        ConfigError: It names nothing.
        DataError: It holds no crystal.
        RegistryError: There is no such dataset.
    """
    name, subset = _split_name(text)
    path = Path(name)
    # A run is a folder too, but one with settings; its data are meant, not its files.
    if not subset and path.exists() and not (path / CONFIG).is_file():
        structures = read_file(path, registry, workers=workers, report=report)
    else:
        structures = list(_read_subset(*_open(name, registry), subset, text))
    selected = [
        structure
        for structure in structures
        if max_atoms is None or len(structure.atomic_numbers) <= max_atoms
    ]
    if not selected:
        raise DataError(f"'{text}' has no crystal of at most {max_atoms} atoms; allow more.")
    return selected


def read_run_data(text: str, run: Path, registry: Registry) -> list[ParsedStructure]:
    """Return the crystals of a subset, as a run saw them where it used that dataset.

    Args:
        text: ``dataset:subset``, or anything else that :func:`read_reference` reads.
        run: Folder of a run; its settings of the dataset (``max_atoms`` for example) and its
            split count where it was trained on that dataset.
        registry: Registry of the datasets.

    Raises:
        MatSciMLError: As for :func:`read_reference`.
    """
    name, subset = _split_name(text)
    if (run / CONFIG).is_file() and name in _datasets_of(run):
        return list(_read_subset(*_open_of_run(run, name, registry), subset, text))
    return read_reference(text, registry)


def _split_name(text: str) -> tuple[str, str]:
    """Return the name before the last colon and the subset after it; a path has no subset."""
    match = re.fullmatch(r"(.+):([a-z_]+)", text)
    return (match[1], match[2]) if match else (text, "")


def _open(name: str, registry: Registry) -> tuple[Dataset, Split]:
    """Open a dataset by its name, or that of a run by the run's folder."""
    # Names of datasets have no slash, so that a misspelt path is not looked up among them.
    if (Path(name) / CONFIG).is_file() or "/" in name:
        if not Path(name).exists():
            raise ConfigError(f"'{name}' does not exist; name {_FORMS}.")
        run = find_run(name)
        names = list(_datasets_of(run))
        if len(names) != 1:
            raise ConfigError(
                f"The run '{name}' was trained on several datasets; name one of them instead: "
                f"{', '.join(names)}."
            )
        return _open_of_run(run, names[0], registry)
    spec = registry.get("dataset", name)
    model = spec.load_config()
    dataset: Dataset = spec.load()(None if model is None else model())
    return dataset, dataset.split()


def _datasets_of(run: Path) -> dict[str, dict[str, Any]]:
    """Return the datasets of a run: name → settings."""
    config = build_config(normalise(read_config_file(run / CONFIG)))
    return {item.name: item.options for item in config.datasets}


def _open_of_run(run: Path, name: str, registry: Registry) -> tuple[Dataset, Split]:
    spec = registry.get("dataset", name)
    dataset: Dataset = build_component(spec, _datasets_of(run)[name], name)
    # The run's own split: by another one, its test crystals may have been trained on.
    file = run / f"split-{name}.json"
    return dataset, Split.load(file) if file.is_file() else dataset.split()


def _read_subset(
    dataset: Dataset, split: Split, subset: str, text: str
) -> Iterator[ParsedStructure]:
    """Yield the crystals of a subset, or of the whole dataset where it is empty, in blocks."""
    whole = {"": np.arange(len(dataset))}
    subsets: Mapping[str, NDArray[np.int64]] = split.indices(dataset.ids) if subset else whole
    if subset not in subsets:
        raise ConfigError(
            f"'{text}' names no subset of the data.{did_you_mean(subset, subsets)} Subsets: "
            f"{', '.join(subsets)}."
        )
    indices = subsets[subset]
    for start in range(0, len(indices), _CHUNK):
        block = indices[start : start + _CHUNK].tolist()
        yield from map(ParsedStructure.from_crystal, dataset.__getitems__(block).crystals())
