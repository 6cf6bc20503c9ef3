"""Registers the dataset ``emt``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_emt.declaration import SPEC


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``emt``."""
    yield SPEC
