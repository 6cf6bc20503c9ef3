"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, EncoderCapabilities, EncoderSpec, hookimpl
from matsciml_model_mattersim.records import M3GNET, PAPER


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer MatterSim."""
    yield EncoderSpec(
        name="mattersim",
        summary="M3GNet as in MatterSim; for weights of others see matsciml convert-mattersim.",
        class_path="matsciml_model_mattersim.encoder:MatterSim",
        config="matsciml_model_mattersim.config:MatterSimConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(smooth_cutoff=True),
        training={"learning_rate": 1e-3, "batch_size": 16},
        references=(PAPER, M3GNET),
    )


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer the conversion of MatterSim's files."""
    yield CommandSpec(
        name="convert-mattersim",
        group="Use a model",
        summary="Make a model of a file of MatterSim's weights.",
        class_path="matsciml_model_mattersim.convert_mattersim_command:convert_mattersim",
    )
