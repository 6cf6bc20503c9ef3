"""Registers the datasets ``s2ef`` and ``is2re``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_ocp.declaration import IS2RE, S2EF


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``s2ef`` and ``is2re``."""
    yield S2EF
    yield IS2RE
