"""The plugin module of the tests' model; the tests replace ``{package}``."""

from matsciml_core import EncoderSpec, TaskHeadSpec, hookimpl


@hookimpl
def matsciml_encoders():
    return [
        EncoderSpec(
            name="volume", summary="A latent space.", class_path="{package}.model:VolumeEncoder"
        )
    ]


@hookimpl
def matsciml_task_heads():
    yield TaskHeadSpec(
        name="rock-salt",
        summary="Generates rock salt.",
        class_path="{package}.model:RockSaltHead",
        target_kinds=("structure",),
    )
    yield TaskHeadSpec(
        name="doubling",
        summary="Doubles.",
        class_path="{package}.model:DoublingHead",
        target_kinds=("scalar",),
    )
