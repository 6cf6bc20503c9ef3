"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import PLAIN_TRAINING, EncoderCapabilities, EncoderSpec, Reference, hookimpl


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer GALA."""
    yield EncoderSpec(
        name="gala",
        summary="GALA: geometric algebra attention over each atom's nearest neighbours.",
        class_path="matsciml_model_gala.encoder:GALA",
        config="matsciml_model_gala.config:GALAConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(
            symmetry="E(3)",
            neighbours="radius",
            supercell=True,
            smooth_cutoff=False,
            asymmetric_unit=True,
            presets=("compact", "table8"),
        ),
        training={"optimiser": "muon", "learning_rate": 1e-2, "batch_size": 64},
        preset_training={"table8": {**PLAIN_TRAINING, "learning_rate": 2e-3}},
        references=(
            Reference(
                key="spellings2021gala",
                authors="Spellings, Matthew",
                title="Geometric Algebra Attention Networks for Small Point Clouds",
                venue="arXiv:2110.02393",
                year=2021,
                doi="10.48550/arXiv.2110.02393",
            ),
        ),
    )
