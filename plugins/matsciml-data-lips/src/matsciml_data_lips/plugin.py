"""Registers the dataset ``lips``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_lips import labels


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``lips``."""
    yield DatasetSpec(
        name="lips",
        summary="A lithium superionic conductor in motion: energies and forces, 83 atoms.",
        class_path="matsciml_data_lips.dataset:LiPS",
        config="matsciml_data_lips.config:LiPSConfig",
        references=labels.REFERENCES,
        licence=labels.LICENCE,
        targets=labels.TARGETS,
        source=labels.SOURCE,
        extent=labels.EXTENT,
        splits=labels.SPLITS,
        known_problems=labels.KNOWN_PROBLEMS,
        tasks=labels.TASKS,
        inventory="matsciml_data_lips.inventory:take_inventory",
        fetch="matsciml_data_lips.fetch:fetch",
        readers={
            "extxyz": "matsciml_data_lips.readers:read_xyz",
            "toolkit": "matsciml_data_lips.readers:read_toolkit",
        },
    )
