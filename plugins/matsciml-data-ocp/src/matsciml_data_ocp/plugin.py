"""Registers the datasets ``s2ef`` and ``is2re``."""

from collections.abc import Iterable

from matsciml_core import DatasetSpec, hookimpl
from matsciml_data_ocp import labels


@hookimpl
def matsciml_datasets() -> Iterable[DatasetSpec]:
    """Offer ``s2ef`` and ``is2re``."""
    yield DatasetSpec(
        name="s2ef",
        summary="Adsorbates on catalyst surfaces in motion, with forces (OC20); to be fetched.",
        class_path="matsciml_data_ocp.dataset:S2EF",
        fetch="matsciml_data_ocp.fetch:fetch_s2ef",
        readers=labels.S2EF_READERS,
        targets=labels.S2EF_TARGETS,
        extent=labels.S2EF_EXTENT,
        known_problems=labels.S2EF_PROBLEMS,
        tasks=labels.S2EF_TASKS,
        inventory="matsciml_data_ocp.inventory:s2ef",
        **labels.COMMON,
    )
    yield DatasetSpec(
        name="is2re",
        summary="Adsorbates on catalyst surfaces before a relaxation (OC20); to be fetched.",
        class_path="matsciml_data_ocp.dataset:IS2RE",
        fetch="matsciml_data_ocp.fetch:fetch_is2re",
        readers=labels.IS2RE_READERS,
        targets=labels.IS2RE_TARGETS,
        extent=labels.IS2RE_EXTENT,
        known_problems=labels.IS2RE_PROBLEMS,
        tasks=labels.IS2RE_TASKS,
        inventory="matsciml_data_ocp.inventory:is2re",
        **labels.COMMON,
    )
