"""Registers the dataset ``emt``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_emt.labels import (
    EXTENT,
    KNOWN_PROBLEMS,
    LICENCE,
    REFERENCES,
    SOURCE,
    SPLITS,
    TARGETS,
)


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``emt``."""
    yield DatasetSpec(
        name="emt",
        summary="A toy: alloys in motion, energies and forces by EMT, generated on first use.",
        class_path="matsciml_data_emt.dataset:EMTAlloys",
        config="matsciml_data_emt.config:EMTConfig",
        references=REFERENCES,
        licence=LICENCE,
        targets=TARGETS,
        size=1000,
        source=SOURCE,
        extent=EXTENT,
        splits=SPLITS,
        known_problems=KNOWN_PROBLEMS,
    )
