"""A dataset that is a store anywhere, named by its folder."""

from __future__ import annotations

from pathlib import Path

from matsciml_core.data.store.crystal_store import INDEX_FILE
from matsciml_core.data.store.store_dataset import StoreDataset
from matsciml_core.data.store.structures_config import StructuresConfig
from matsciml_core.errors import DataError


class StructuresDataset(StoreDataset):
    """The crystals of a store, with whatever labels it declares.

    Args:
        config: Where the store lies.

    Raises:
        DataError: There is no store.
    """

    def __init__(self, config: StructuresConfig) -> None:
        """Open the store."""
        if not (Path(config.folder) / INDEX_FILE).is_file():
            raise DataError(
                f"There is no store in '{config.folder}'; if it was moved, give its new place with "
                "--set dataset.folder=FOLDER."
            )
        super().__init__(config.folder, config)
