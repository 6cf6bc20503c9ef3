"""The Materials Project as a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_core.data import StoreDataset
from matsciml_data_mp.config import MPConfig

_PACKAGE = Path(__file__).parent
_FOLDERS = {"mini": (_PACKAGE / "mini", _PACKAGE / "splits")}
"""Store and splits of each source."""


class MaterialsProject(StoreDataset):
    """Crystals of the Materials Project with computed labels, in order of material id.

    A crystal carries the labels that its sources had; the others are missing. Labels that were
    computed for another structure under the same id were not attached.

    Args:
        config: Which crystals to serve; None: all of ``mini``.

    Raises:
        DataError: The store is missing or damaged.
    """

    def __init__(self, config: MPConfig | None = None) -> None:
        """Open the store and select the crystals."""
        settings = MPConfig() if config is None else config
        folder, splits = _FOLDERS[settings.source]
        super().__init__(folder, settings, splits)
        if settings.max_atoms is not None:
            self.keep_only(np.flatnonzero(self.atoms_per_crystal <= settings.max_atoms))
