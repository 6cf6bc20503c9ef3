"""Registers the dataset ``mp``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_mp.references import LICENCE, REFERENCES, RELEASE, SOURCE
from matsciml_data_mp.targets import TARGETS
from matsciml_data_mp.tasks import TASKS


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``mp``."""
    yield DatasetSpec(
        name="mp",
        summary="6,317 Materials Project crystals with energies, insulators' gaps, space groups.",
        target="matsciml_data_mp.dataset:MaterialsProject",
        config="matsciml_data_mp.config:MPConfig",
        references=REFERENCES,
        licence=LICENCE,
        targets=TARGETS,
        size=6317,
        source=f"{SOURCE}, {RELEASE}",
        tasks=TASKS,
        inventory="matsciml_data_mp.tasks:take_inventory",
    )
