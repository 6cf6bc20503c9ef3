"""Registers the dataset ``lips``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_lips.declaration import SPEC


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``lips``."""
    yield SPEC
