"""Registers the dataset ``mp``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_mp.declaration import declare


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``mp``."""
    yield declare("mini")
