"""OQMD as a dataset."""

from __future__ import annotations

from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_data_oqmd.declaration import SPEC


class OQMD(FetchedDataset):
    """Relaxed crystals of OQMD with their labels, in order of their ids at the source.

    Many entries of OQMD are the same crystal under two numbers, and many are polymorphs, so that
    the random split leaks; in ``composition``, the default, no composition is in two subsets.
    """

    spec = SPEC
