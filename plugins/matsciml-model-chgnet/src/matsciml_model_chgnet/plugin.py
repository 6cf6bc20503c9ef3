"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import EncoderCapabilities, EncoderSpec, PretrainedSpec, hookimpl
from matsciml_model_chgnet.records import PAPER, chgnet, chgnet_r2scan


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer CHGNet."""
    yield EncoderSpec(
        name="chgnet",
        summary="CHGNet: messages along edges, and of bonds along angles; moments of atoms.",
        class_path="matsciml_model_chgnet.encoder:CHGNet",
        config="matsciml_model_chgnet.config:CHGNetConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(smooth_cutoff=True),
        training={"learning_rate": 1e-3, "batch_size": 16},
        references=(PAPER,),
    )


@hookimpl
def matsciml_pretrained() -> Iterable[PretrainedSpec]:
    """Offer the weights of the authors' package."""
    yield chgnet()
    yield chgnet_r2scan()
