"""The Carolina Materials Database as a dataset."""

from __future__ import annotations

from matsciml_core.data.fetch.fetched_dataset import FetchedDataset
from matsciml_data_carolina.declaration import SPEC


class Carolina(FetchedDataset):
    """Cubic crystals with formation energies, which a generative model proposed."""

    spec = SPEC
