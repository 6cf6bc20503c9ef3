"""Registers the dataset ``carolina``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_carolina import labels


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``carolina``."""
    yield DatasetSpec(
        name="carolina",
        summary="214,000 cubic crystals with formation energies; to be fetched.",
        class_path="matsciml_data_carolina.dataset:Carolina",
        config="matsciml_data_carolina.config:CarolinaConfig",
        references=labels.REFERENCES,
        licence=labels.LICENCE,
        targets=labels.TARGETS,
        source=labels.SOURCE,
        extent=labels.EXTENT,
        splits=labels.SPLITS,
        known_problems=labels.KNOWN_PROBLEMS,
        tasks=labels.TASKS,
        fetch="matsciml_data_carolina.fetch:fetch",
        fetch_config="matsciml_data_carolina.config:CarolinaFetchConfig",
        readers={"toolkit": "matsciml_data_carolina.toolkit:read_toolkit"},
    )
