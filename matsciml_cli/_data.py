"""What the subcommands of ``matsciml data`` do once their flags are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_cli.console import Row, warn, write_heading, write_json, write_line, write_table
from matsciml_cli.failures import telling_on_stop
from matsciml_cli.progress_bars import Speed, progress_bars
from matsciml_core.data.fetch import FetchRequest, note_store, present_stores, store_key
from matsciml_core.data.ingestion.conversion import Conversion, Manifest, read_manifest
from matsciml_core.data.ingestion.plausibility import Plausibility
from matsciml_core.data.ingestion.pool import SERIAL, PoolConfig
from matsciml_core.data.readers import add_dataset
from matsciml_core.data.store.crystal_store import CrystalStore
from matsciml_core.data.store.labelled import label_sizes
from matsciml_core.data.store.store_dataset import StoreDataset
from matsciml_core.errors import ConfigError, MatSciMLError, did_you_mean
from matsciml_core.files import write_json as write_file
from matsciml_core.interfaces.crystal_systems import SPACE_GROUPS
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.imported import store_of
from matsciml_core.registry.inventory import LABEL_SIZES
from matsciml_core.registry.specs import DatasetSpec
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.training.config_data import parse_overrides

SCHEMA = 1
_CHUNK = 4096
_KEPT = "What was read so far is kept; the same command goes on from there."
"""What Ctrl-C leaves of a dataset that is being made."""


def fetch_dataset(
    spec: DatasetSpec,
    *,
    release: str | None,
    subset: str | None,
    to: Path | None,
    limit: int | None,
    overrides: Sequence[str] = (),
    pool: PoolConfig,
) -> None:
    """Fetch a dataset as its plugin knows how to, and note where its store lies."""
    if spec.fetch is None:
        raise ConfigError(
            f"The dataset '{spec.name}' has nothing to fetch; 'matsciml data info {spec.name}' "
            "shows what there is."
        )
    options = _settings(spec, spec.load_fetch_config(), overrides)
    function = spec.load_named(spec.fetch)
    key = store_key(release, subset)
    folder = (dataset_folder(spec.name) / key) if to is None else to.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with telling_on_stop(_KEPT), progress_bars() as report:
        speed = Speed(report)
        request = FetchRequest(
            folder=folder,
            release=release,
            subset=subset,
            limit=limit,
            options=options,
            report=speed,
            pool=pool,
        )
        store = Path(function(request))
    note_store(spec.name, key, store)
    if spec.inventory is None and not (store / LABEL_SIZES).exists():
        _note_label_sizes(spec, store)
    _summarise(spec.name, read_manifest(store), store)
    speed.show(pool)


def _note_label_sizes(spec: DatasetSpec, store: Path) -> None:
    """Write how many labels each subset has, which ``list-tasks`` shows, beside what was fetched.

    A dataset that cannot serve it by default, for want of another release, leaves that unknown.
    """
    try:
        dataset = open_dataset(spec)
    except MatSciMLError:
        return
    write_file(store / LABEL_SIZES, label_sizes(dataset))


def parse_foreign(spec: DatasetSpec, path: Path, format: str) -> Conversion:
    """Return what another toolkit wrote as something to ingest, as a dataset's plugin reads it.

    Raises:
        ConfigError: The file does not exist, or the plugin does not read the format.
    """
    if not path.exists():
        raise ConfigError(f"'{path}' does not exist; name the file to convert.")
    if format not in spec.readers:
        raise ConfigError(
            f"The dataset '{spec.name}' cannot be converted from '{format}'."
            f"{did_you_mean(format, spec.readers)} "
            f"It reads: {', '.join(spec.readers) or 'nothing'}."
        )
    conversion: Conversion = spec.load_named(spec.readers[format])(path)
    return conversion


def store_conversion(
    name: str,
    conversion: Conversion,
    *,
    to: Path | None,
    replace: bool,
    pool: PoolConfig = SERIAL,
) -> None:
    """Make a dataset of files that were parsed, and show what became of them."""
    with telling_on_stop(_KEPT), progress_bars() as report:
        speed = Speed(report)
        manifest = add_dataset(
            name, conversion, to=to, replace_existing=replace, report=speed, pool=pool
        )
    store = store_of(dataset_folder(name))
    _summarise(name, manifest, store)
    dataset = StoreDataset(store)
    judge = Plausibility(dataset.targets)
    _show_labels(_scan(dataset, judge)[2])  # where a wrong column or unit meets the eye
    for remark in judge.remarks():
        warn(remark)
    speed.show(pool)
    write_line(f"Train: matsciml run --dataset {name}")


def show_dataset(
    spec: DatasetSpec, *, overrides: Sequence[str] = (), verify: bool, as_json: bool
) -> None:
    """Show what is known about a dataset's data."""
    dataset = open_dataset(spec, overrides)
    if verify and isinstance(dataset, StoreDataset):
        dataset.store.verify()
    facts = _facts(spec, dataset) | {"verified": verify and isinstance(dataset, StoreDataset)}
    if as_json:
        write_json({"schema": SCHEMA, **facts})
        return
    write_heading(f"dataset {spec.name}")
    low, high = facts["volume_per_atom"]
    lines = {
        "crystals": f"{facts['crystals']:,} with {facts['atoms']:,} atoms",
        "volume": f"{low:.4g} to {high:.4g} Å³ per atom",
        "source": ", ".join(filter(None, (facts["source"], facts["release"]))),
        "licence": facts["licence"] or "not stated",
        "splits": ", ".join(facts["splits"]),
        "hash": facts["content_hash"] + (", verified" if facts["verified"] else ""),
        "cite": "; ".join(facts["references"]),
    }
    write_table([Row((key, value)) for key, value in lines.items() if value], indent=2)
    _show_labels(facts["labels"])
    if facts["fetched"]:
        write_heading("fetched, on this machine")
        rows = [
            Row((store["key"], f"{store['crystals']:,} crystals", store["release"], store["store"]))
            for store in facts["fetched"]
        ]
        write_table(rows, indent=2)
    if facts["manifest"] is not None:
        _show_rejected(Manifest(**facts["manifest"]))


def open_dataset(spec: DatasetSpec, overrides: Sequence[str] = ()) -> Dataset:
    """Open a dataset.

    Args:
        spec: What its plugin declares.
        overrides: Its settings as ``KEY=VALUE``; ``dataset.KEY=VALUE`` means the same.

    Raises:
        ConfigError: A setting is unknown or wrong.
    """
    dataset: Dataset = spec.load()(_settings(spec, spec.load_config(), overrides))
    return dataset


def _settings(spec: DatasetSpec, model: Any, overrides: Sequence[str]) -> Any:
    """Return settings given as ``KEY=VALUE``; None where there is nothing to set."""
    values = parse_overrides(overrides)
    section = values.pop("dataset", {})
    # "dataset.max_atoms=20" is how a run spells it, "max_atoms=20" is shorter: both are taken.
    values = {**section, **values} if isinstance(section, Mapping) else values
    if model is not None:
        return model.from_options(values, where=spec.name)
    if values:
        raise ConfigError(
            f"The dataset '{spec.name}' has nothing to set here; leave '--set {overrides[0]}' away."
        )
    return None


def _summarise(name: str, manifest: Manifest | None, store: Path) -> None:
    if manifest is not None:
        low, high = manifest.volume_per_atom
        write_line(
            f"{name}: {manifest.accepted:,} crystals of {manifest.records:,} records, "
            f"{low:.3g} to {high:.3g} Å³ per atom."
        )
        _show_rejected(manifest)
        for remark in manifest.remarks:
            write_line(remark)
    write_line(f"Store: {store}")


def _show_rejected(manifest: Manifest) -> None:
    if not manifest.rejected:
        return
    write_heading("rejected")
    rows = [
        Row(
            (
                f"{entry['count']:,}",
                entry.get("detail", reason),  # stores of earlier releases have none
                f"for example {', '.join(entry['examples'][:2])}",
            )
        )
        for reason, entry in manifest.rejected.items()
    ]
    write_table(rows, indent=2)


def _facts(spec: DatasetSpec, dataset: Dataset) -> dict[str, Any]:
    atoms, volumes, labels = _scan(dataset)
    provenance = dataset.provenance
    stored = isinstance(dataset, StoreDataset)
    manifest = read_manifest(dataset.store.folder) if isinstance(dataset, StoreDataset) else None
    # Only stores that are still there: what was fetched may have been removed by hand.
    fetched = {key: CrystalStore(path) for key, path in present_stores(spec.name).items()}
    return {
        "name": spec.name,
        "crystals": len(dataset),
        "atoms": atoms,
        "volume_per_atom": volumes,
        "labels": labels,
        "source": provenance.source,
        "release": provenance.release,
        "licence": provenance.licence,
        "references": [
            f"doi:{reference.doi}" if reference.doi else reference.key
            for reference in provenance.references
        ],
        "content_hash": provenance.content_hash if stored else "",
        "splits": list(dataset.split_names),
        "manifest": None if manifest is None else asdict(manifest),
        "fetched": [
            {
                "key": key,
                "release": store.provenance.release,
                "crystals": len(store),
                "store": str(store.folder),
            }
            for key, store in fetched.items()
        ],
    }


def _scan(
    dataset: Dataset, judge: Plausibility | None = None
) -> tuple[int, list[float], list[dict[str, Any]]]:
    """Return the number of atoms, the extremes of volume per atom, and what the labels are."""
    atoms, volumes = 0, [np.inf, -np.inf]
    ranges = {name: _Range(info) for name, info in dataset.targets.items()}
    for first in range(0, len(dataset), _CHUNK):  # in chunks, so that memory stays flat
        batch = dataset.__getitems__(range(first, min(first + _CHUNK, len(dataset))))
        atoms += batch.num_atoms
        if judge is not None:
            judge.add(batch)
        volume = np.abs(np.linalg.det(batch.cell.numpy())) / batch.atoms_per_crystal.numpy()
        volumes = [min(volumes[0], float(volume.min())), max(volumes[1], float(volume.max()))]
        for name, gathered in ranges.items():
            gathered.add(batch.targets[name].numpy())
    labels = [
        {
            "name": info.name,
            "unit": info.unit,
            "kind": info.kind,
            "classes": info.classes,
            **ranges[info.name].as_data(),
        }
        for info in dataset.targets.values()
    ]
    return atoms, volumes, labels


_ROUNDING = 1e-12
"""Share of the largest value below which a mean is the rounding of a sum, dimensionless."""


class _Range:
    """Count, smallest, largest and mean of a label."""

    def __init__(self, info: TargetInfo) -> None:
        self._is_class = info.is_class
        self._count, self._sum = 0, 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, values: Any) -> None:
        """Take in a batch, without what is missing."""
        # A missing class is -1, and a missing number NaN.
        present = values[values >= 0] if self._is_class else values[~np.isnan(values)]
        if present.size:
            self._count += present.size
            self._sum += float(present.sum())
            self._low = min(self._low, float(present.min()))
            self._high = max(self._high, float(present.max()))

    def as_data(self) -> dict[str, Any]:
        """Return the numbers; None where there is none."""
        if not self._count:
            return {"count": 0, "min": None, "max": None, "mean": None}
        mean = self._sum / self._count
        return {"count": self._count, "min": self._low, "max": self._high, "mean": mean}


def _show_labels(labels: Sequence[Mapping[str, Any]]) -> None:
    """Print the range of each label: a wrong unit or column is noticed there, if anywhere."""
    write_heading("labels")
    rows = []
    for label in labels:
        span = ""
        if label["count"]:
            # Adding zero turns the "-0" of a label whose largest value is -0.0 into "0".
            low, high = label["min"] + 0.0, label["max"] + 0.0
            # What remains where values cancel, as forces do, is rounding, and no number to read.
            cancels = abs(label["mean"]) < _ROUNDING * max(abs(low), abs(high))
            span = f"{low:.5g} to {high:.5g}, mean {0.0 if cancels else label['mean']:.5g}"
            if label["classes"] == SPACE_GROUPS:  # users know them by their numbers, from 1
                span = f"space groups {low + 1:.0f} to {high + 1:.0f}"
            elif label["classes"]:
                span = f"classes {low:.0f} to {high:.0f} of {label['classes']}, from 0"
        rows.append(Row((label["name"], label["unit"], f"{label['count']:,} values", span)))
    write_table(rows, indent=2)
