"""Reading what is judged and what it is compared with: files, datasets, the data of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matsciml_core.data.readers.formats import detect_format, read_frames
from matsciml_core.errors import ConfigError, DataError, did_you_mean
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.split import Split
from matsciml_core.model.components import build_component
from matsciml_core.progress import Meter, Report, silent
from matsciml_core.training.config import RunConfig, build_config, normalise, read_config_file
from matsciml_core.training.run_folder import CONFIG, find_run
from matsciml_tool_generate.extxyz import read_extxyz
from matsciml_tool_generate.structures import ParsedStructure

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_CHUNK = 1024
_FORMS = "a dataset with its subset (NAME:test), a run with a subset (runs/latest:test), or a file"


def read_file(
    path: Path,
    *,
    workers: int = 1,
    report: Report = silent,
    label: str = "",
    may_be_empty: bool = False,
) -> list[ParsedStructure]:
    """Return what a file or folder holds, broken records included.

    Args:
        path: Extended XYZ, CSV with a column ``cif`` (CDVAE's files), or whatever else ``matsciml
            data import`` reads; or a folder of CIF or POSCAR files.
        workers: Processes that read CIF and POSCAR.
        report: Receives progress.
        label: What is read, for the progress.
        may_be_empty: Whether a file without a structure is what was expected.

    Raises:
        ConfigError: Nothing is there, or the format cannot be told.
        DataError: The file is no such file, or holds nothing.
    """
    form = detect_format(path)
    plain = path.suffix.lower() in (".xyz", ".extxyz")
    records = read_extxyz(path) if plain else read_frames(path, form, workers)
    meter = Meter(label or f"reading {path.name}", report, unit="crystals")
    found = []
    for record in records:
        found.append(ParsedStructure.from_record(record))
        meter.add()
    meter.finish()
    if not found and not may_be_empty:
        raise DataError(f"'{path}' holds no structure; name another file.")
    return found


def read_reference(
    text: str,
    registry: Registry,
    *,
    max_atoms: int | None = None,
    workers: int = 1,
    report: Report = silent,
) -> list[ParsedStructure]:
    """Return the crystals that a person named.

    Args:
        text: ``dataset:subset`` or ``dataset``; ``run:subset``, the data of a run with its settings
            and its split; or a file, see :func:`read_file`.
        registry: Where datasets are looked up.
        max_atoms: Crystals with more atoms are left out; None: none.
        workers: Processes that read files.
        report: Receives progress.

    Raises:
        ConfigError: It names nothing.
        DataError: It holds no crystal.
        RegistryError: There is no such dataset.
    """
    name, subset = _split_subset(text)
    path = Path(name)
    if not subset and path.exists() and not (path / CONFIG).is_file():
        found = read_file(path, workers=workers, report=report)
    else:
        dataset, split = _open(name, registry)
        found = list(_of_dataset(dataset, split, subset, text))
    kept = [one for one in found if max_atoms is None or len(one.atomic_numbers) <= max_atoms]
    if not kept:
        raise DataError(f"'{text}' has no crystal of at most {max_atoms} atoms; allow more.")
    return kept


def read_run_data(text: str, run: Path, registry: Registry) -> list[ParsedStructure]:
    """Return the crystals of a dataset's subset, as a run saw them where it used that dataset.

    Args:
        text: ``dataset:subset``, or anything else that :func:`read_reference` understands.
        run: Folder of a run; its settings of the dataset (``max_atoms`` for example) and its
            split count where it was trained on that dataset.
        registry: Where datasets are looked up.

    Raises:
        MatSciMLError: As for :func:`read_reference`.
    """
    name, subset = _split_subset(text)
    if (run / CONFIG).is_file() and name in _datasets_of(run):
        dataset, split = _of_run(run, name, registry)
        return list(_of_dataset(dataset, split, subset, text))
    return read_reference(text, registry)


def _split_subset(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+):([a-z_]+)", text)
    return (match[1], match[2]) if match else (text, "")


def _open(name: str, registry: Registry) -> tuple[Dataset, Split]:
    if (Path(name) / CONFIG).is_file() or "/" in name:
        if not Path(name).exists():
            raise ConfigError(f"'{name}' does not exist; name {_FORMS}.")
        run = find_run(name)
        names = _datasets_of(run)
        if len(names) != 1:
            raise ConfigError(
                f"The run '{name}' was trained on several datasets; name one of them instead: "
                f"{', '.join(names)}."
            )
        return _of_run(run, names[0], registry)
    spec = registry.get("dataset", name)
    model = spec.load_config()
    dataset: Dataset = spec.load()(None if model is None else model())
    return dataset, dataset.split()


def _config_of(run: Path) -> RunConfig:
    return build_config(normalise(read_config_file(run / CONFIG)))


def _datasets_of(run: Path) -> list[str]:
    return [item.name for item in _config_of(run).datasets]


def _of_run(run: Path, name: str, registry: Registry) -> tuple[Dataset, Split]:
    item = next(item for item in _config_of(run).datasets if item.name == name)
    dataset: Dataset = build_component(registry.get("dataset", name), item.options, name)
    file = run / f"split-{name}.json"
    return dataset, Split.load(file) if file.is_file() else dataset.split()


def _of_dataset(
    dataset: Dataset, split: Split, subset: str, text: str
) -> Iterator[ParsedStructure]:
    if not subset:
        wanted = np.arange(len(dataset))
    else:
        subsets = split.indices(dataset.ids)
        if subset not in subsets:
            raise ConfigError(
                f"'{text}' names no subset of the data.{did_you_mean(subset, subsets)} Subsets: "
                f"{', '.join(subsets)}."
            )
        wanted = subsets[subset]
    for first in range(0, len(wanted), _CHUNK):
        block = wanted[first : first + _CHUNK].tolist()
        yield from map(ParsedStructure.from_crystal, dataset.__getitems__(block).crystals())
