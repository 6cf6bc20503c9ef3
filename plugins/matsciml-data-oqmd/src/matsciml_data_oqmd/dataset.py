"""OQMD as a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data import Split, StoreDataset, grouped_split
from matsciml_core.data.fetch import fetched_stores
from matsciml_core.data.grouping import compositions
from matsciml_core.errors import DataError
from matsciml_data_oqmd.config import OQMDConfig

NAME = "oqmd"


class OQMD(StoreDataset):
    """Relaxed crystals of OQMD with their labels, in order of their ids at the source.

    Args:
        config: Which crystals to serve; None: all that were fetched last.

    Raises:
        DataError: Nothing was fetched yet, or the store is damaged.
    """

    def __init__(self, config: OQMDConfig | None = None) -> None:
        """Open the store and select the crystals."""
        settings = OQMDConfig() if config is None else config
        super().__init__(_locate(settings.path), settings)
        if settings.max_atoms is not None:
            self.keep_only(np.flatnonzero(self.atoms_per_crystal <= settings.max_atoms))

    @property
    def split_names(self) -> tuple[str, ...]:
        """``composition`` keeps compositions together; ``random`` is what was published."""
        return ("composition", "random")

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split: 80/10/10, made by the seed.

        Many entries of OQMD are the same crystal under two numbers, and many are polymorphs, so
        that a random split leaks; in ``composition``, no composition is in two parts.
        """
        if (name or self.split_names[0]) != "composition":
            return super().split(name, seed)
        return grouped_split(self.ids, compositions(self), by="composition", seed=seed)


def _locate(path: str | None) -> Path:
    if path is not None:
        return Path(path).expanduser()
    stores = list(fetched_stores(NAME).values())
    if not stores:
        raise DataError(
            "There is no OQMD data on this machine; run: matsciml data fetch oqmd (about a day for "
            "all of it; add --limit 1000 for a trial)."
        )
    return stores[-1]
