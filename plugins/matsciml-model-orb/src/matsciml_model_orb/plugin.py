"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import CommandSpec, EncoderCapabilities, EncoderSpec, hookimpl
from matsciml_model_orb.records import PAPER


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer Orb."""
    yield EncoderSpec(
        name="orb",
        summary="Orb v3: no symmetry built in; for weights of others see matsciml convert-orb.",
        class_path="matsciml_model_orb.encoder:Orb",
        config="matsciml_model_orb.config:OrbConfig",
        licence="MIT",
        # Its repulsion of nuclei is divided by the number of atoms twice.
        capabilities=EncoderCapabilities(symmetry="none", supercell=False, smooth_cutoff=True),
        training={"learning_rate": 3e-4, "batch_size": 16},
        references=(PAPER,),
    )


@hookimpl
def matsciml_commands() -> Iterable[CommandSpec]:
    """Offer the conversion of Orb's files."""
    yield CommandSpec(
        name="convert-orb",
        group="Use a model",
        summary="Make a model of a file of Orb's conservative weights.",
        class_path="matsciml_model_orb.convert_orb_command:convert_orb",
    )
