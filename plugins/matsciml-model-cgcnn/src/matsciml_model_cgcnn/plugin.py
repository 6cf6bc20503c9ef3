"""What the registry learns about this plugin."""

from collections.abc import Iterable

from matsciml_core import PLAIN_TRAINING, EncoderCapabilities, EncoderSpec, Reference, hookimpl

_MUON = {"optimiser": "muon", "learning_rate": 1e-2, "batch_size": 64}


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer CGCNN."""
    yield EncoderSpec(
        name="cgcnn",
        summary="CGCNN: gated convolutions of described elements, smooth at the cutoff.",
        class_path="matsciml_model_cgcnn.encoder:CGCNN",
        config="matsciml_model_cgcnn.config:CGCNNConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(
            smooth_cutoff=True, asymmetric_unit=True, presets=("default", "published")
        ),
        training={**_MUON, "epochs": 28, "average_decay": 0.99},
        preset_training={"published": {**PLAIN_TRAINING, "learning_rate": 3e-3}},
        references=(
            Reference(
                key="xie2018cgcnn",
                authors="Xie, Tian and Grossman, Jeffrey C.",
                title="Crystal Graph Convolutional Neural Networks for an Accurate and "
                "Interpretable Prediction of Material Properties",
                venue="Physical Review Letters 120, 145301",
                year=2018,
                doi="10.1103/PhysRevLett.120.145301",
            ),
        ),
    )
