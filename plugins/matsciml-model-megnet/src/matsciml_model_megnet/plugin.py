"""What the registry learns about this plugin."""

from collections.abc import Iterable

from matsciml_core import PLAIN_TRAINING, EncoderCapabilities, EncoderSpec, Reference, hookimpl

_PUBLISHED = {**PLAIN_TRAINING, "learning_rate": 5e-3}


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer MEGNet."""
    yield EncoderSpec(
        name="megnet",
        summary="MEGNet: graph network with edge, atom and crystal features, Set2Set read-out.",
        class_path="matsciml_model_megnet.encoder:MEGNet",
        config="matsciml_model_megnet.config:MEGNetConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(
            symmetry="E(3)",
            smooth_cutoff=False,
            asymmetric_unit=True,
            presets=("default", "mp2018", "table7"),
        ),
        training={"optimiser": "muon", "learning_rate": 1e-2, "batch_size": 64},
        preset_training={"mp2018": _PUBLISHED, "table7": _PUBLISHED},
        references=(
            Reference(
                key="chen2019megnet",
                authors="Chen, Chi and Ye, Weike and Zuo, Yunxing and Zheng, Chen "
                "and Ong, Shyue Ping",
                title="Graph Networks as a Universal Machine Learning Framework for Molecules "
                "and Crystals",
                venue="Chemistry of Materials 31, 3564-3572",
                year=2019,
                doi="10.1021/acs.chemmater.9b01294",
            ),
        ),
    )
