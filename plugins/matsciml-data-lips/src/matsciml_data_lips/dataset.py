"""LiPS as a dataset."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from matsciml_core import Split, random_split
from matsciml_core.data import StoreDataset
from matsciml_core.data.fetch.locations import latest_store, note_store
from matsciml_core.data.ingestion.conversion import ingest
from matsciml_core.data.splits.algorithms import blocked_split
from matsciml_core.data.store.crystal_store import INDEX_FILE
from matsciml_core.errors import DataError
from matsciml_core.registry.folders import dataset_folder
from matsciml_data_lips.config import LiPSConfig
from matsciml_data_lips.inventory import NAME
from matsciml_data_lips.labels import FRACTIONS, SPLITS
from matsciml_data_lips.mdsim import mdsim_split
from matsciml_data_lips.readers import read


class LiPS(StoreDataset):
    """Frames of a molecular dynamics simulation of Li27 P12 S44 with energies and forces.

    Args:
        config: Where the frames come from.

    Raises:
        DataError: There is no data, or the file is not of LiPS.
        UnitError: Energies or forces are not in eV and eV/Å.
    """

    def __init__(self, config: LiPSConfig | None = None) -> None:
        """Find the store, or make it of the file that was named."""
        settings = LiPSConfig() if config is None else config
        super().__init__(locate(settings.path), settings)

    @property
    def split_names(self) -> tuple[str, ...]:
        """``blocked`` divides the trajectory in time; ``random`` and ``mdsim`` were published."""
        return tuple(SPLITS)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split, 70/20/10 except for ``mdsim``.

        ``blocked``: the first frames train, the next validate, the last test (``seed`` has no
        effect). ``random``: frames a few femtoseconds apart are nearly the same, and land in
        different subsets. ``mdsim``: see :func:`mdsim_split`; ``seed`` has no effect.
        """
        chosen = name or self.split_names[0]
        if chosen == "random":
            return random_split(self.ids, fractions=FRACTIONS, seed=seed)
        if chosen == "mdsim":
            return mdsim_split(sorted(self.ids))
        if chosen == "blocked":
            return blocked_split(sorted(self.ids), fractions=FRACTIONS)
        return super().split(name, seed)


def locate(path: str | None) -> Path:
    """Return the store to read, made of a local file where one is named.

    Raises:
        DataError: There is no data, or the file is not of LiPS.
    """
    if path is not None:
        return _from_file(Path(path).expanduser())
    store = latest_store(NAME)
    if store is not None:
        return store
    raise DataError(
        "There is no LiPS data on this machine; run: matsciml data fetch lips (0.3 GB), or name a "
        "file with --set dataset.path=lips.xyz (or an LMDB of the Open MatSciML Toolkit)."
    )


def _from_file(path: Path) -> Path:
    if (path / INDEX_FILE).is_file():
        return path
    conversion = read(path)
    folder = dataset_folder(NAME) / f"local-{conversion.fingerprint[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # of several processes one converts, the others wait
        ingest(
            conversion.source,
            folder,
            targets=conversion.targets,
            provenance=conversion.provenance,
            fingerprint=conversion.fingerprint,
            label="LiPS frames",
            total=conversion.total,
        )
        note_store(NAME, f"local/{path.name}", folder)
    return folder
