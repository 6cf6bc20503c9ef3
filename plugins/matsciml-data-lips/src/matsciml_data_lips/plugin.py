"""Registers the dataset ``lips``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_lips.labels import LICENCE, REFERENCES, SOURCE, TARGETS, TASKS


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``lips``."""
    yield DatasetSpec(
        name="lips",
        summary="A lithium superionic conductor in motion: energies and forces, 83 atoms.",
        target="matsciml_data_lips.dataset:LiPS",
        config="matsciml_data_lips.config:LiPSConfig",
        references=REFERENCES,
        licence=LICENCE,
        targets=TARGETS,
        source=SOURCE,
        tasks=TASKS,
        inventory="matsciml_data_lips.inventory:take_inventory",
        readers={
            "extxyz": "matsciml_data_lips.readers:read_extended_xyz",
            "toolkit": "matsciml_data_lips.readers:read_toolkit",
        },
    )
