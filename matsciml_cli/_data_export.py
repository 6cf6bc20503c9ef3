"""What ``matsciml data export`` does once its flags are read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matsciml_cli._data import open_dataset
from matsciml_cli.console import warn, write_line
from matsciml_cli.outputs import check_output
from matsciml_cli.progress_bars import progress_bars
from matsciml_core.data.readers import export_dataset, get_writer
from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import DatasetSpec


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What of a dataset is written, and where."""

    format: str
    output: Path | None = None
    """None: called like the dataset, in the working directory."""
    subset: str | None = None
    split: str | None = None
    replace: bool = False


def export_to_file(
    spec: DatasetSpec, request: ExportRequest, registry: Registry, *, overrides: Sequence[str]
) -> None:
    """Write a dataset to a file, say what the format does not hold, and how it is imported.

    Args:
        spec: What the dataset's plugin declares.
        request: What to write.
        registry: Where formats are looked up.
        overrides: Settings of the dataset as ``KEY=VALUE``.

    Raises:
        ConfigError: There is no such format or subset, or the output exists.
    """
    form = get_writer(request.format, registry)
    suffix = form.output_suffix if form.output_suffix is not None else form.suffixes[0]
    path = request.output or Path(f"{spec.name}{suffix}")
    check_output(path, replace=request.replace)
    dataset = open_dataset(spec, overrides)
    indices = None if request.subset is None else _indices(dataset, request)
    with progress_bars() as report:
        written = export_dataset(
            dataset,
            path,
            form,
            indices=indices,
            name=spec.name,
            replace_existing=request.replace,
            report=report,
        )
    count = len(dataset) if indices is None else len(indices)
    write_line(f"{spec.name}: {count:,} crystals in '{path}'.")
    for remark in written.remarks:
        warn(remark)
    command = ["matsciml", "data", "import", str(path), "--format", form.name]
    command += ["--name", f"{spec.name}-copy"]
    for name, label in written.labels.items():
        info = dataset.targets[name]
        command += [
            "--label",
            label,
            *(["--per-atom", name] if info.per_atom and info.is_class else []),
        ]
    if written.table is not None:
        command += ["--table", str(path.with_name(written.table))]
    write_line(f"Import: {shlex.join(command)}")


def _indices(dataset: Dataset, request: ExportRequest) -> list[int]:
    """Return which crystals a subset has.

    Raises:
        ConfigError: The split has no such subset.
    """
    subset = str(request.subset)
    indices = dataset.split(request.split).indices(dataset.ids)
    if subset not in indices:
        raise ConfigError(
            f"The split has no subset '{subset}'.{did_you_mean(subset, list(indices))} Subsets: "
            f"{', '.join(indices)}."
        )
    return [int(index) for index in indices[subset]]
