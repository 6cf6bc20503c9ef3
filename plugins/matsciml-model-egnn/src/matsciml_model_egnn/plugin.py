"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import PLAIN_TRAINING, EncoderCapabilities, EncoderSpec, Reference, hookimpl


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer E(n)-GNN."""
    yield EncoderSpec(
        name="egnn",
        summary="E(n)-GNN: messages from distances, equivariant displacements, mean read-out.",
        class_path="matsciml_model_egnn.encoder:EGNN",
        config="matsciml_model_egnn.config:EGNNConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(
            symmetry="E(3)",
            neighbours="radius",
            supercell=True,
            smooth_cutoff=True,
            asymmetric_unit=True,
            presets=("default", "table6", "forces"),
        ),
        training={"optimiser": "muon", "learning_rate": 3e-3, "batch_size": 64},
        preset_training={"table6": PLAIN_TRAINING, "forces": {"learning_rate": 1e-3}},
        references=(
            Reference(
                key="satorras2021egnn",
                authors="Satorras, Victor Garcia and Hoogeboom, Emiel and Welling, Max",
                title="E(n) Equivariant Graph Neural Networks",
                venue="Proceedings of the 38th International Conference on Machine Learning, "
                "PMLR 139, 9323-9332",
                year=2021,
                doi="10.48550/arXiv.2102.09844",
            ),
        ),
    )
