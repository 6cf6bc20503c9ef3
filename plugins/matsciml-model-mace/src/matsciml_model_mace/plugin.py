"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, EncoderCapabilities, EncoderSpec, hookimpl
from matsciml_model_mace.records import PAPER


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer MACE."""
    yield EncoderSpec(
        name="mace",
        summary="MACE: many-body messages; for weights of others see matsciml convert-mace --help.",
        class_path="matsciml_model_mace.encoder:MACE",
        config="matsciml_model_mace.config:MACEConfig",
        licence="MIT",
        requires=("mace-torch==0.3.16",),
        requires_note="it needs e3nn 0.4.4; 'matsciml env create mace matsciml-model-mace[mace]' "
        "gives it an environment of its own",
        capabilities=EncoderCapabilities(smooth_cutoff=True),
        training={"learning_rate": 1e-3, "batch_size": 8},
        references=(PAPER,),
    )


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer the conversion of MACE's files."""
    yield CommandSpec(
        name="convert-mace",
        group="Use a model",
        summary="Make a model of a file of MACE's weights.",
        class_path="matsciml_model_mace.convert_mace_command:convert_mace",
    )
