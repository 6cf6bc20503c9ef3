"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import EncoderCapabilities, EncoderSpec, Reference, hookimpl


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer the descriptors."""
    yield EncoderSpec(
        name="descriptors",
        summary="No network: statistics of element descriptors, density, bonds, distances.",
        class_path="matsciml_model_descriptors.encoder:Descriptors",
        config="matsciml_model_descriptors.config:DescriptorsConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(differentiable=False, asymmetric_unit=True, learns=False),
        training={"batch_size": 256},
        references=(
            Reference(
                key="ward2016magpie",
                authors="Ward, Logan and Agrawal, Ankit and Choudhary, Alok "
                "and Wolverton, Christopher",
                title="A general-purpose machine learning framework for predicting properties of "
                "inorganic materials",
                venue="npj Computational Materials 2, 16028",
                year=2016,
                doi="10.1038/npjcompumats.2016.28",
            ),
        ),
    )
