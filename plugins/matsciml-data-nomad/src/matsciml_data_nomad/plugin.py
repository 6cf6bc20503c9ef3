"""Registers the dataset ``nomad``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl, read_dataset_spec

SPEC = read_dataset_spec(__file__)


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``nomad``."""
    yield SPEC
