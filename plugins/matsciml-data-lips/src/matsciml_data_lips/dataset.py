"""LiPS as a dataset."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from matsciml_core import Split, random_split
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_core.data.fetch.locations import note_store
from matsciml_core.data.ingestion.conversion import ingest
from matsciml_core.data.splits.algorithms import blocked_split
from matsciml_core.data.store.crystal_store import INDEX_FILE
from matsciml_core.registry.folders import dataset_folder
from matsciml_data_lips.declaration import SPEC
from matsciml_data_lips.inventory import FRACTIONS
from matsciml_data_lips.mdsim import mdsim_split
from matsciml_data_lips.readers import read


class LiPS(FetchedDataset):
    """Frames of a molecular dynamics simulation of Li27 P12 S44 with energies and forces.

    Its settings are those of :class:`~matsciml_data_lips.config.LiPSConfig`.

    Raises:
        DataError: There is no data, or the file is not of LiPS.
        UnitError: Energies or forces are not in eV and eV/Å.
    """

    spec = SPEC

    @classmethod
    def find_store(cls, path: str | None) -> Path:
        """Return the store to read, made of a local file where one is named.

        Args:
            path: The file, or a store; None: what was fetched or converted last.

        Raises:
            DataError: There is no data, or the file is not of LiPS.
            UnitError: Energies or forces are not in eV and eV/Å.
        """
        if path is None or (Path(path).expanduser() / INDEX_FILE).is_file():
            return super().find_store(path)
        file = Path(path).expanduser()
        conversion = read(file)
        folder = dataset_folder(SPEC.name) / f"local-{conversion.fingerprint[:12]}"
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
            note_store(SPEC.name, f"local/{file.name}", folder)
        return folder

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split, 70/20/10 except for ``mdsim``.

        ``blocked``: the earliest frames train, the next validate, the last test (``seed`` has no
        effect). ``random``: frames a few femtoseconds apart are nearly the same, and land in
        different subsets. ``mdsim``: see :func:`mdsim_split`; ``seed`` has no effect.

        Args:
            name: One of :attr:`split_names`, or the path of a split file; None: the default.
            seed: Seed of the shuffle of ``random``.

        Raises:
            ConfigError: There is no split of that name.
        """
        chosen = name or self.split_names[0]
        # Ids number the frames with leading zeros: sorted, they are in the order of time.
        if chosen == "random":
            return random_split(self.ids, fractions=FRACTIONS, seed=seed)
        if chosen == "mdsim":
            return mdsim_split(sorted(self.ids))
        if chosen == "blocked":
            return blocked_split(sorted(self.ids), fractions=FRACTIONS)
        return super().split(name, seed)
