"""Registers the dataset ``oqmd``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_oqmd.labels import (
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
    """Offer ``oqmd``."""
    yield DatasetSpec(
        name="oqmd",
        summary="Over a million relaxed crystals of OQMD with formation energies; to be fetched.",
        class_path="matsciml_data_oqmd.dataset:OQMD",
        config="matsciml_data_oqmd.config:OQMDConfig",
        references=REFERENCES,
        licence=LICENCE,
        targets=TARGETS,
        source=SOURCE,
        extent=EXTENT,
        splits=SPLITS,
        known_problems=KNOWN_PROBLEMS,
        fetch="matsciml_data_oqmd.fetch:fetch",
        fetch_config="matsciml_data_oqmd.config:OQMDFetchConfig",
        readers={"toolkit": "matsciml_data_oqmd.toolkit:read_toolkit"},
    )
