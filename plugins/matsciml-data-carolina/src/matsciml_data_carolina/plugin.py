"""Registers the dataset ``carolina``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_carolina.declaration import SPEC


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``carolina``."""
    yield SPEC
