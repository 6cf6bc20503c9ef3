"""Registers the dataset ``oqmd``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_oqmd.declaration import SPEC


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``oqmd``."""
    yield SPEC
