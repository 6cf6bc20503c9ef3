"""Registers the dataset ``nomad``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_nomad.declaration import SPEC


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``nomad``."""
    yield SPEC
