"""Registers the dataset ``mp``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_mp.about import EXTENT, KNOWN_PROBLEMS, SPLITS
from matsciml_data_mp.references import LICENCE, REFERENCES, RELEASE, SOURCE
from matsciml_data_mp.targets import TARGETS
from matsciml_data_mp.tasks import TASKS


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``mp``."""
    yield DatasetSpec(
        name="mp",
        summary="6,317 Materials Project crystals to start with, and any release to be fetched.",
        class_path="matsciml_data_mp.dataset:MaterialsProject",
        config="matsciml_data_mp.config:MPConfig",
        references=REFERENCES,
        licence=LICENCE,
        targets=TARGETS,
        size=6317,
        source=f"{SOURCE}, {RELEASE}",
        extent=EXTENT,
        splits=SPLITS,
        known_problems=KNOWN_PROBLEMS,
        tasks=TASKS,
        inventory="matsciml_data_mp.tasks:take_inventory",
        fetch="matsciml_data_mp.fetch:fetch",
        fetch_config="matsciml_data_mp.config:MPFetchConfig",
        readers={"toolkit": "matsciml_data_mp.toolkit:read_toolkit"},
    )
