"""S2EF and IS2RE as datasets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from matsciml_core.data import Split, StoreDataset
from matsciml_core.errors import DataError
from matsciml_data_ocp.config import OCPConfig
from matsciml_data_ocp.inventory import known_stores
from matsciml_data_ocp.parts import split_names
from matsciml_data_ocp.splitting import bounds_of, published_split, split_by_system


class _OCP(StoreDataset):
    """What the two have in common: published parts, one after the other in a store."""

    name: ClassVar[str]
    trial: ClassVar[str]

    def __init__(self, config: OCPConfig | None = None) -> None:
        """Open the store and select the systems."""
        settings = OCPConfig() if config is None else config
        super().__init__(self._locate(settings.path), settings)
        if settings.max_atoms is not None:
            self.keep_only(np.flatnonzero(self.atoms_per_crystal <= settings.max_atoms))

    @property
    def split_names(self) -> tuple[str, ...]:
        """The published splits that the fetched parts allow, then ``system``."""
        return split_names(self._bounds)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a published split, for which ``seed`` has no effect, or one by systems.

        Frames of one system are never in two parts.
        """
        if name is not None and name.endswith(".json"):
            return super().split(name, seed)
        chosen = self._check_split_name(name)
        if chosen == "system":
            return split_by_system(self.ids, seed)
        return published_split(self.ids, chosen)

    @cached_property
    def _bounds(self) -> Mapping[str, tuple[int, int]]:
        return bounds_of(self.store)

    def _locate(self, path: str | None) -> Path:
        if path is not None:
            return Path(path).expanduser()
        stores = known_stores(self.name)
        if not stores:
            raise DataError(
                f"There is no data of {self.name} on this machine; run: matsciml data fetch "
                f"{self.name} {self.trial}"
            )
        return stores[0]


class S2EF(_OCP):
    """Adsorbates on surfaces in motion, with adsorption energies and forces.

    Args:
        config: Which systems to serve; None: all that were fetched last.

    Raises:
        DataError: Nothing was fetched yet, or the store is damaged.
    """

    name = "s2ef"
    trial = "--split 200K (2 GB; 2M is what the benchmark uses)"


class IS2RE(_OCP):
    """Adsorbates on surfaces before a relaxation, with the adsorption energy after it.

    Args:
        config: Which systems to serve; None: all that were fetched last.

    Raises:
        DataError: Nothing was fetched yet, or the store is damaged.
    """

    name = "is2re"
    trial = "--split 10k (8.1 GB; all is what the benchmark uses)"
