"""S2EF and IS2RE as datasets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from matsciml_core import Split
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_data_ocp import declaration
from matsciml_data_ocp.splitting import bounds_of, published_split, split_by_system
from matsciml_data_ocp.subsets import split_names


class _OCP(FetchedDataset):
    """Published subsets, one after the other in a store."""

    @property
    def split_names(self) -> tuple[str, ...]:
        """Those of the declared splits that the fetched subsets allow."""
        return split_names(self._bounds)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a published split, for which ``seed`` has no effect, or one by systems.

        Frames of one system are never in two subsets.

        Args:
            name: One of :attr:`split_names`, or the path of a split file; None: the default.
            seed: Seed of the shuffle of ``system``.

        Raises:
            ConfigError: There is no split of that name.
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


class S2EF(_OCP):
    """Adsorbates on surfaces in motion, with adsorption energies and forces."""

    spec = declaration.S2EF


class IS2RE(_OCP):
    """Adsorbates on surfaces before a relaxation, with the adsorption energy after it."""

    spec = declaration.IS2RE
