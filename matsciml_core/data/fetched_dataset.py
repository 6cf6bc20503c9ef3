"""A dataset on a store that was fetched."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from matsciml_core.data.fetch.stores import choose_store
from matsciml_core.data.store_dataset import StoreDataset
from matsciml_core.interfaces.config import Config


class FetchedDataset(StoreDataset):
    """Opens the store that the user named, or the one that was fetched last.

    A subclass sets :attr:`name` and :attr:`advice`. Its settings have the fields ``path`` (folder
    of a store, or None) and ``max_atoms`` (most atoms of a crystal that is served, or None).

    Args:
        config: The settings; None: all of what was fetched last.

    Raises:
        DataError: Nothing was fetched yet, or the store is damaged, or no crystal is left.
    """

    name: ClassVar[str]
    """Registry name."""
    advice: ClassVar[str]
    """What to know before fetching, for the message where nothing was fetched."""

    def __init__(self, config: Config | None = None) -> None:
        """Open the store and select the crystals."""
        path = getattr(config, "path", None)
        super().__init__(choose_store(self.name, path, advice=self.advice), config)
        most = getattr(config, "max_atoms", None)
        if most is not None:
            self.keep_only(np.flatnonzero(self.atoms_per_crystal <= most))
