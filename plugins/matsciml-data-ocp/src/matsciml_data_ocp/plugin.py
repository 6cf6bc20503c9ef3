"""Registers the datasets ``s2ef`` and ``is2re``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl, read_dataset_spec

S2EF = read_dataset_spec(__file__, "oc20.toml", "s2ef.toml")
IS2RE = read_dataset_spec(__file__, "oc20.toml", "is2re.toml")


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``s2ef`` and ``is2re``."""
    yield S2EF
    yield IS2RE
