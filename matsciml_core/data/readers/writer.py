"""The way back: crystals → a file of a format, which the reader of the same format reads.

A format gets a writer by a function that its ``ReaderSpec.writer`` names. It is called with the
crystals, one after the other; with the declarations of their labels, by name; and with a path at
which nothing lies. The file appears under its final name when the function returns, and files that
it writes beside the path move with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matsciml_core.data.readers.labels import declaration
from matsciml_core.errors import ConfigError
from matsciml_core.files import delivering
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.held import FIXED, HELD_AXES
from matsciml_core.progress import Meter, Report, silent
from matsciml_core.registry.specs import ReaderSpec
from matsciml_core.registry.targets import TargetInfo

TAGS = "tags"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a writer says about the file that it wrote."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """How ``data import --label`` declares each label that is in the file, by its name."""
    table: str | None = None
    """Name of a table of labels that stands beside the file, which ``--table`` reads."""
    remarks: tuple[str, ...] = ()
    """What of the crystals the format does not hold, as sentences."""
    site_properties: frozenset[str] = frozenset({FIXED, HELD_AXES, TAGS})
    """Site properties that are in the file where a crystal has them."""
    precision: float = 1e-9
    """Largest error of a number that the format's digits allow, relative where it is above 1."""
    same_orientation: bool = True
    """Whether the format holds lattice vectors, and not only their lengths and angles."""


Writer = Callable[[Iterable[Crystal], Mapping[str, TargetInfo], Path], Written]
"""What ``ReaderSpec.writer`` names."""


def declarations(targets: Mapping[str, TargetInfo]) -> dict[str, str]:
    """Return how labels are declared that a file has under their names and in their units.

    Args:
        targets: The labels.
    """
    return {name: declaration(info) for name, info in targets.items()}


def export_dataset(
    dataset: Dataset,
    path: Path,
    spec: ReaderSpec,
    *,
    indices: Sequence[int] | None = None,
    name: str = "",
    replace_existing: bool = True,
    report: Report = silent,
) -> Written:
    """Write a dataset to a file of some format, whole or not at all.

    Args:
        dataset: The dataset; its order is kept where the format has one.
        path: The file or, of formats that are folders, the folder.
        spec: The format.
        indices: Which crystals to write; None: all.
        name: What the dataset is called, for the progress.
        replace_existing: Whether what lies there, or where a table goes, is replaced.
        report: Receives progress.

    Returns:
        What the file holds, and how it is imported.

    Raises:
        ConfigError: The format has no writer, or a file is in the way.
        DataError: It cannot hold the crystals.
    """
    if spec.writer is None:
        raise ConfigError(f"The format '{spec.name}' is read, and not written; choose another.")
    # A label of the kind "structure" is the crystal itself, which every format holds.
    targets = {key: info for key, info in dataset.targets.items() if info.kind != "structure"}
    write: Writer = spec.load_named(spec.writer)
    chosen = range(len(dataset)) if indices is None else indices
    meter = Meter(name, report, unit="crystals", total=len(chosen))

    def crystals() -> Iterator[Crystal]:
        for index in chosen:
            yield dataset[int(index)]
            meter.add()

    with delivering(path.absolute().parent) as folder:
        written = write(crystals(), targets, folder / path.name)
        for entry in folder.iterdir():
            if not replace_existing and (path.parent / entry.name).exists():
                raise ConfigError(f"'{path.parent / entry.name}' exists; choose another name.")
    meter.finish()
    return written
