"""A dataset on a store that was fetched."""

from __future__ import annotations

from typing import ClassVar

from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.fetch.stores import choose_store
from matsciml_core.data.store.store_dataset import StoreDataset


class FetchedDataset(StoreDataset):
    """Opens the store that the user named, or the one that was fetched last.

    A subclass sets :attr:`name` and :attr:`advice`.

    Args:
        config: The settings; None: all of what was fetched last.

    Raises:
        DataError: Nothing was fetched yet, or the store is damaged, or no crystal is left.
    """

    name: ClassVar[str]
    """Registry name."""
    advice: ClassVar[str]
    """What to know before fetching, for the message where nothing was fetched."""

    def __init__(self, config: FetchedConfig | None = None) -> None:
        """Open the store and select the crystals."""
        settings = FetchedConfig() if config is None else config
        super().__init__(choose_store(self.name, settings.path, advice=self.advice), config)
        self.keep_up_to(settings.max_atoms)
