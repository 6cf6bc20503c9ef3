"""What the plugin offers."""

from matsciml_core import PLAIN_TRAINING, EncoderCapabilities, EncoderSpec, TaskHeadSpec
from matsciml_model_cdvae import references

_CAPABILITIES = EncoderCapabilities(presets=("small", "published"))

DIMENET = EncoderSpec(
    name="dimenet++",
    summary="DimeNet++: messages on directed edges that see distances and angles.",
    class_path="matsciml_model_cdvae.dimenet:DimeNetEncoder",
    config="matsciml_model_cdvae.config:DimeNetConfig",
    licence="MIT",
    capabilities=_CAPABILITIES,
    training={"optimiser": "muon", "learning_rate": 1e-2, "batch_size": 64},
    preset_training={"published": PLAIN_TRAINING},
    references=references.DIMENET,
)
CDVAE = EncoderSpec(
    name="cdvae",
    summary="CDVAE's encoder: DimeNet++ with a latent read-out, to generate crystals from.",
    class_path="matsciml_model_cdvae.latent:CDVAEEncoder",
    config="matsciml_model_cdvae.config:CDVAEConfig",
    licence="MIT",
    capabilities=_CAPABILITIES,
    training=PLAIN_TRAINING,
    references=(*references.CDVAE, *references.DIMENET),
)
CRYSTAL_GENERATION = TaskHeadSpec(
    name="crystal-generation",
    summary="Generates crystals: CDVAE's predictors, and GemNet-dT that denoises atoms.",
    class_path="matsciml_model_cdvae.head:CrystalGeneration",
    config="matsciml_model_cdvae.config:CrystalGenerationConfig",
    licence="MIT",
    target_kinds=("structure",),
    default=True,
    references=(*references.CDVAE, *references.GEMNET),
)
