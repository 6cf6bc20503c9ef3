"""Registers the dataset ``nomad``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_nomad import labels


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``nomad``."""
    yield DatasetSpec(
        name="nomad",
        summary="139,000 bulk crystals of NOMAD, by many codes, with comparable energies.",
        class_path="matsciml_data_nomad.dataset:NOMAD",
        config="matsciml_data_nomad.config:NOMADConfig",
        references=labels.REFERENCES,
        licence=labels.LICENCE,
        targets=labels.TARGETS,
        source=labels.SOURCE,
        extent=labels.EXTENT,
        splits=labels.SPLITS,
        known_problems=labels.KNOWN_PROBLEMS,
        tasks=labels.TASKS,
        fetch="matsciml_data_nomad.fetch:fetch",
        fetch_config="matsciml_data_nomad.config:NOMADFetchConfig",
        readers={"toolkit": "matsciml_data_nomad.toolkit:read_toolkit"},
    )
