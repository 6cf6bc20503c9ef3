"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import EncoderCapabilities, EncoderSpec, PretrainedSpec, hookimpl
from matsciml_model_sevennet.records import PAPER, sevennet_0, sevennet_l3i5, sevennet_mf_0


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer SevenNet."""
    yield EncoderSpec(
        name="sevennet",
        summary="SevenNet: scalars, vectors and tensors that see the handedness of a crystal.",
        class_path="matsciml_model_sevennet.encoder:SevenNet",
        config="matsciml_model_sevennet.config:SevenNetConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(symmetry="SE(3)", smooth_cutoff=True),
        training={"learning_rate": 1e-3, "batch_size": 16},
        references=(PAPER,),
    )


@hookimpl
def matsciml_pretrained() -> Iterable[PretrainedSpec]:
    """Offer the weights of the authors' package."""
    yield sevennet_0()
    yield sevennet_l3i5()
    yield sevennet_mf_0("PBE")
    yield sevennet_mf_0("R2SCAN")
