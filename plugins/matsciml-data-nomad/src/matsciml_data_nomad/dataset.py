"""NOMAD as a dataset."""

from __future__ import annotations

from matsciml_core import Split
from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_core.data.splits.grouping import compositions
from matsciml_data_nomad.labels import SPLITS
from matsciml_data_nomad.subsets import composition_split


class NOMAD(FetchedDataset):
    """Bulk crystals that many codes computed; see :class:`NOMADConfig` for what to serve."""

    name = "nomad"
    advice = "an hour; add --limit 2000 for a trial"

    @property
    def split_names(self) -> tuple[str, ...]:
        """``composition``, to which the energies are referred; ``random`` was published."""
        return tuple(SPLITS)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split: 80/10/10; ``composition`` is the same for every seed."""
        if (name or self.split_names[0]) != "composition":
            return super().split(name, seed)
        return composition_split(self.ids, compositions(self))
