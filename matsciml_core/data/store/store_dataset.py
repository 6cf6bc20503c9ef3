"""A dataset that reads a store: what most dataset plugins build on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.splits.algorithms import grouped_split
from matsciml_core.data.splits.grouping import compositions
from matsciml_core.data.store.crystal_store import CrystalStore
from matsciml_core.data.symmetry.stored_orbits import StoredOrbits
from matsciml_core.errors import DataError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset, Provenance
from matsciml_core.interfaces.split import Split
from matsciml_core.interfaces.symmetry import Orbits
from matsciml_core.registry.targets import TargetInfo

if TYPE_CHECKING:
    from matsciml_core.interfaces.config import Config


COMPOSITION = "composition"
"""Name of the split in which no composition is in two subsets, so that polymorphs do not leak."""
RANDOM = "random"


class StoreDataset(Dataset):
    """A dataset on a :class:`CrystalStore`, batched without a Python object per crystal.

    Splits may be shipped as files named ``<split>.json`` in ``split_folder``; the first name in
    :attr:`split_names` is the default.

    Args:
        folder: The store's folder.
        config: The plugin's settings.
        split_folder: Where predefined splits lie; None: there are none.

    Raises:
        DataError: The folder holds no store.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        config: Config | None = None,
        split_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        """Open the store's index."""
        super().__init__(config)
        self.store = CrystalStore(folder)
        self._split_folder = None if split_folder is None else Path(split_folder)
        self._kept: NDArray[np.int64] | None = None

    def keep_only(self, indices: Sequence[int] | NDArray[np.int64]) -> None:
        """Serve only some crystals of the store; for the constructor of a subclass.

        Length, ids, batches and splits follow. A shipped split keeps its subsets, each without the
        crystals that are not served.

        Args:
            indices: Indices in the store, in the order in which to serve them, ``(crystals,)``,
                dimensionless.

        Raises:
            DataError: No crystal is left.
        """
        if not len(indices):
            raise DataError(
                f"No crystal of the store '{self.store.folder}' fulfils the dataset's settings; "
                "relax them."
            )
        self._kept = np.asarray(indices, dtype=np.int64)
        for cached in ("ids", "atoms_per_crystal"):
            self.__dict__.pop(cached, None)

    def keep_up_to(self, max_atoms: int | None) -> None:
        """Serve only crystals with at most this many atoms; None: all.

        Raises:
            DataError: No crystal is left.
        """
        if max_atoms is not None:
            self.keep_only(np.flatnonzero(self.atoms_per_crystal <= max_atoms))

    @property
    def targets(self) -> dict[str, TargetInfo]:
        """The labels on offer, by name."""
        return self.store.targets

    @property
    def provenance(self) -> Provenance:
        """Source, release, licence and citations."""
        return self.store.provenance

    def __len__(self) -> int:
        """Return the number of crystals."""
        return len(self.store) if self._kept is None else len(self._kept)

    def __getitem__(self, index: int) -> Crystal:
        """Return one crystal."""
        return self.__getitems__([index]).crystals()[0]

    def __getitems__(self, indices: Sequence[int]) -> CrystalBatch:
        """Return several crystals as one float64 batch without edges."""
        if self._kept is None:
            return self.store.read(indices)
        wanted = np.asarray(indices, dtype=np.int64)
        if not wanted.size or wanted.min() < 0 or wanted.max() >= len(self):
            raise IndexError(f"Indices must be one or more numbers in [0, {len(self)}).")
        return self.store.read(self._kept[wanted])

    def orbits(self, indices: Sequence[int], symprec: float) -> list[Orbits] | None:
        """Return the stored symmetry, where there is one of this tolerance."""
        stored = self._stored_orbits
        if stored is None or stored.symprec != symprec:
            return None
        return stored(indices if self._kept is None else self._kept[np.asarray(indices)])

    @cached_property
    def _stored_orbits(self) -> StoredOrbits | None:
        entry = self.store.symmetry
        return None if entry is None else StoredOrbits(self.store.folder, dict(entry))

    @cached_property
    def ids(self) -> list[str]:
        """The crystals' ids, in order."""
        stored = [name for batch in self.store.scan() for name in batch.ids]
        return stored if self._kept is None else [stored[place] for place in self._kept.tolist()]

    @cached_property
    def atoms_per_crystal(self) -> NDArray[np.int64]:
        """Number of atoms of each crystal, ``(crystals,)``."""
        stored = np.concatenate([batch.atoms_per_crystal.numpy() for batch in self.store.scan()])
        return stored if self._kept is None else stored[self._kept]

    @property
    def split_names(self) -> tuple[str, ...]:
        """The shipped splits, then ``random``."""
        return (*self._shipped_splits, RANDOM)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a shipped split, or one that is made by the seed.

        Args:
            name: One of :attr:`split_names`, or the path of a split file; None: the default. Of
                those that are not shipped, ``composition`` keeps compositions together and every
                other one is random.
            seed: Seed of the shuffle; of a shipped split it has no effect.

        Raises:
            ConfigError: There is no split of that name.
        """
        if name is not None and name.endswith(".json"):
            return Split.load(name)
        name = self._check_split_name(name)
        if name in self._shipped_splits:
            split = Split.load(self._shipped_splits[name])
            return split if self._kept is None else split.restrict(self.ids)
        if name == COMPOSITION:
            return grouped_split(self.ids, compositions(self), by=COMPOSITION, seed=seed)
        return super().split(name, seed)

    @property
    def _shipped_splits(self) -> dict[str, Path]:
        """The files of the shipped splits by name; a file never stands for the random split."""
        files = sorted(self._split_folder.glob("*.json")) if self._split_folder else []
        return {file.stem: file for file in files if file.stem != RANDOM}
