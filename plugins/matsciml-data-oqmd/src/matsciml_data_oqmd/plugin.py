"""Registers the dataset ``oqmd``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_oqmd import labels


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``oqmd``."""
    yield DatasetSpec(
        name="oqmd",
        summary="Over a million relaxed crystals of OQMD with formation energies; to be fetched.",
        class_path="matsciml_data_oqmd.dataset:OQMD",
        config="matsciml_data_oqmd.config:OQMDConfig",
        references=labels.REFERENCES,
        licence=labels.LICENCE,
        targets=labels.TARGETS,
        source=labels.SOURCE,
        extent=labels.EXTENT,
        splits=labels.SPLITS,
        known_problems=labels.KNOWN_PROBLEMS,
        tasks=labels.TASKS,
        fetch="matsciml_data_oqmd.fetch:fetch",
        fetch_config="matsciml_data_oqmd.config:OQMDFetchConfig",
        readers={"toolkit": "matsciml_data_oqmd.toolkit:read_toolkit"},
    )
