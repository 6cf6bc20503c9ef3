"""NOMAD as a dataset."""

from __future__ import annotations

from matsciml_core import Split
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_core.data.splits.grouping import compositions
from matsciml_core.data.store.store_dataset import COMPOSITION
from matsciml_data_nomad.declaration import SPEC
from matsciml_data_nomad.subsets import composition_split


class NOMAD(FetchedDataset):
    """Bulk crystals that many codes computed, with energies referred to the elements."""

    spec = SPEC

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split: 80/10/10; ``composition``, the default, is the same for every seed.

        Args:
            name: One of :attr:`split_names`, or the path of a split file; None: the default.
            seed: Seed of the shuffle of ``random``.

        Raises:
            ConfigError: There is no split of that name.
        """
        # Not the core's: reference energies were fitted to this training set while fetching.
        if (name or self.split_names[0]) == COMPOSITION:
            return composition_split(self.ids, compositions(self))
        return super().split(name, seed)
