"""The light module of the tests' plugin; ``{package}`` is filled in by the tests."""

from matsciml_core import EncoderSpec, TaskHeadSpec, hookimpl


@hookimpl
def matsciml_encoders():
    return [EncoderSpec(name="mean", summary="A latent space.", class_path="{package}.maker:Mean")]


@hookimpl
def matsciml_task_heads():
    yield TaskHeadSpec(
        name="maker",
        summary="Makes rock salt.",
        class_path="{package}.maker:Maker",
        target_kinds=("structure",),
    )
    yield TaskHeadSpec(
        name="property",
        summary="Doubles.",
        class_path="{package}.maker:Property",
        target_kinds=("scalar",),
    )
