"""A dataset on a store that was fetched."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.fetch.stores import choose_store
from matsciml_core.data.store.store_dataset import StoreDataset
from matsciml_core.registry.specs import DatasetSpec


class FetchedDataset(StoreDataset):
    """Opens the store that the user named, or the one that was fetched last.

    A subclass sets :attr:`spec`. It offers the splits that are declared there, and overrides
    :meth:`split` where they are others than ``composition`` and ``random``.

    Args:
        config: The settings; None: all of what was fetched last.

    Raises:
        DataError: Nothing was fetched yet, or the store is damaged, or no crystal is left.
    """

    spec: ClassVar[DatasetSpec]
    """The dataset's declaration."""

    def __init__(self, config: FetchedConfig | None = None) -> None:
        """Open the store and select the crystals."""
        settings = FetchedConfig() if config is None else config
        super().__init__(self.find_store(settings.path), config)
        self.keep_up_to(settings.max_atoms)

    @classmethod
    def find_store(cls, path: str | None) -> Path:
        """Return the folder of the store to open.

        Args:
            path: What the user named; None: nothing.

        Raises:
            DataError: Nothing was named, and nothing that was fetched is there.
        """
        return choose_store(cls.spec.name, path, advice=cls.spec.fetch_advice)

    @property
    def split_names(self) -> tuple[str, ...]:
        """The declared splits, the default one first."""
        return tuple(self.spec.splits)
