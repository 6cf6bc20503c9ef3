"""OQMD as a dataset."""

from __future__ import annotations

from matsciml_core import Split
from matsciml_core.data import grouped_split
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_core.data.splits.grouping import compositions
from matsciml_data_oqmd.labels import SPLITS


class OQMD(FetchedDataset):
    """Relaxed crystals of OQMD with their labels, in order of their ids at the source.

    Its settings are those of :class:`~matsciml_data_oqmd.config.OQMDConfig`.
    """

    name = "oqmd"
    advice = "7 to 20 hours for all of it; add --limit 1000 for a trial"

    @property
    def split_names(self) -> tuple[str, ...]:
        """``composition`` keeps compositions together; ``random`` is what was published."""
        return tuple(SPLITS)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split: 80/10/10, made by the seed.

        Many entries of OQMD are the same crystal under two numbers, and many are polymorphs, so
        that a random split leaks; in ``composition``, no composition is in two subsets.
        """
        if (name or self.split_names[0]) != "composition":
            return super().split(name, seed)
        return grouped_split(self.ids, compositions(self), by="composition", seed=seed)
