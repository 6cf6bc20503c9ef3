"""Registers the head for energies, forces and stress."""

from collections.abc import Iterable

from matsciml_core import TaskHeadSpec, hookimpl


@hookimpl
def matsciml_task_heads() -> Iterable[TaskHeadSpec]:
    """Offer ``energy-forces``."""
    yield TaskHeadSpec(
        name="energy-forces",
        summary="Total energy as a sum over atoms, with its derivatives: forces and stress.",
        class_path="matsciml_head_forces.head:EnergyForcesHead",
        config="matsciml_head_forces.config:EnergyForcesConfig",
        licence="MIT",
        target_kinds=("energy", "forces", "stress"),
        default=True,
        joint=True,
    )
