"""Alloys in motion as a dataset: generated on first use, then read from a store."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import cast

from filelock import FileLock

from matsciml_core import Split
from matsciml_core.data import StoreDataset, stratified_split
from matsciml_core.data.ingestion.conversion import from_iterable, ingest
from matsciml_core.data.store.crystal_store import INDEX_FILE
from matsciml_core.errors import DataError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.interfaces.split import make_split
from matsciml_core.registry.folders import dataset_folder
from matsciml_data_emt import __version__
from matsciml_data_emt.config import EMTConfig
from matsciml_data_emt.declaration import SPEC


class EMTAlloys(StoreDataset):
    """Molecular dynamics of fcc alloys with energies, forces and stress by a toy potential.

    The first use generates the crystals (about a minute for the default) and keeps them as a
    store; the folder's name follows from the settings, so that other settings make other data.

    Args:
        config: Which alloys to move, and how.

    Raises:
        DataError: The data cannot be kept in the folder.
    """

    def __init__(self, config: EMTConfig | None = None) -> None:
        """Generate the data where it is not there yet, and open it."""
        settings = EMTConfig() if config is None else config
        super().__init__(prepare(settings), settings)

    @property
    def split_names(self) -> tuple[str, ...]:
        """``trajectory`` keeps each trajectory in one subset; ``random`` divides them."""
        return tuple(SPEC.splits)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split 80/10/10.

        Frames of one trajectory resemble each other, so that ``random`` tests memory.

        Args:
            name: One of :attr:`split_names`, or the path of a split file; None: the default.
            seed: Seed of the shuffle.

        Raises:
            ConfigError: There is no split of that name.
        """
        if (name or self.split_names[0]) != "trajectory":
            return super().split(name, seed)
        settings = cast("EMTConfig", self.config)
        trajectories = [f"t{index:04d}" for index in range(settings.trajectories)]
        # Trajectories are shuffled rather than grouped: all are equally long, so that each subset
        # gets at least one, and exact shares.
        shuffled = stratified_split(trajectories, [""] * len(trajectories), by="nothing", seed=seed)
        subset_of = {
            trajectory: subset
            for subset, members in shuffled.subsets.items()
            for trajectory in members
        }
        subsets: dict[str, list[str]] = {subset: [] for subset in shuffled.subsets}
        for crystal in sorted(self.ids):
            subsets[subset_of[crystal.partition("-")[0]]].append(crystal)
        return make_split("random, by trajectory", seed, subsets)


def prepare(settings: EMTConfig) -> Path:
    """Return the folder of the store, generating it where it is not there yet.

    Args:
        settings: Which alloys to move, how, and where to keep them.

    Raises:
        DataError: The folder cannot be written.
    """
    parent = Path(settings.folder) if settings.folder else dataset_folder(SPEC.name)
    folder = parent / _name(settings)
    if not (folder / INDEX_FILE).is_file():
        try:
            parent.mkdir(parents=True, exist_ok=True)
            # The processes of a distributed run need the same data: one makes it, others wait.
            with FileLock(f"{folder}.lock"):
                _generate(folder, settings)
        except OSError as error:
            raise DataError(
                f"The generated crystals cannot be kept in '{parent}' ({error.strerror}); name "
                "another folder with --set dataset.folder=FOLDER, or set MATSCIML_DATA."
            ) from error
    return folder


def _name(settings: EMTConfig) -> str:
    """Return a name that every setting decides, but for the folder itself."""
    # With the version, because another one may generate other crystals from the same settings.
    identity = {"version": __version__, **settings.model_dump(mode="json", exclude={"folder"})}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{'-'.join(settings.metals).lower()}-{digest[:12]}"


def _generate(folder: Path, settings: EMTConfig) -> None:
    """Generate the store, unless another process did so while this one waited for the lock."""
    from matsciml_data_emt.dynamics import generate  # noqa: PLC0415 - ASE, only where needed

    if (folder / INDEX_FILE).is_file():
        return
    total = settings.trajectories * settings.frames
    print(f"Generating {total:,} crystals of a toy alloy in '{folder}'.", file=sys.stderr)
    ingest(
        from_iterable(lambda: generate(settings)),
        folder,
        targets=SPEC.targets,
        provenance=Provenance.from_spec(SPEC, f"plugin {__version__}, settings {folder.name}"),
        fingerprint=folder.name,
        total=total,
    )
