"""The Carolina Materials Database as a dataset."""

from __future__ import annotations

from matsciml_core import Split
from matsciml_core.data import grouped_split
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_core.data.splits.grouping import compositions
from matsciml_data_carolina.labels import SPLITS


class Carolina(FetchedDataset):
    """Cubic crystals with formation energies; see :class:`CarolinaConfig` for what to serve."""

    name = "carolina"
    advice = "one file from Zenodo; add --limit 1000 for a trial"

    @property
    def split_names(self) -> tuple[str, ...]:
        """``composition`` keeps compositions together; ``random`` is what was published."""
        return tuple(SPLITS)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split: 80/10/10, made by the seed."""
        if (name or self.split_names[0]) != "composition":
            return super().split(name, seed)
        return grouped_split(self.ids, compositions(self), by="composition", seed=seed)
