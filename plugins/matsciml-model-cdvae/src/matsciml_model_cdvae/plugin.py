"""Registers the encoders ``dimenet++`` and ``cdvae`` and the head ``crystal-generation``."""

from matsciml_core import EncoderCapabilities, EncoderSpec, TaskHeadSpec, hookimpl
from matsciml_model_cdvae.references import CDVAE, DIMENET, GEMNET


@hookimpl
def matsciml_encoders() -> tuple[EncoderSpec, ...]:
    """Offer ``dimenet++`` and ``cdvae``."""
    summary = "DimeNet++: messages on directed edges that see distances and angles."
    variational = "CDVAE's encoder: DimeNet++ with a latent read-out, to generate crystals from."
    offers = (
        ("dimenet++", summary, "dimenet:DimeNetEncoder", "DimeNetConfig", DIMENET),
        ("cdvae", variational, "latent:CDVAEEncoder", "CDVAEConfig", (*CDVAE, *DIMENET)),
    )
    return tuple(
        EncoderSpec(
            name=name,
            summary=what,
            target=f"matsciml_model_cdvae.{target}",
            config=f"matsciml_model_cdvae.config:{config}",
            licence="MIT",
            capabilities=EncoderCapabilities(presets=("small", "published")),
            training={"learning_rate": 1e-3, "gradient_clip": 1.0},
            references=references,
        )
        for name, what, target, config, references in offers
    )


@hookimpl
def matsciml_task_heads() -> tuple[TaskHeadSpec, ...]:
    """Offer ``crystal-generation``."""
    text = "Generates crystals: CDVAE's predictors, and GemNet-dT that denoises atoms."
    target = "matsciml_model_cdvae.head:CrystalGeneration"
    config = "matsciml_model_cdvae.config:CrystalGenerationConfig"
    common = {"licence": "MIT", "default": True, "references": (*CDVAE, *GEMNET)}
    name, kinds = "crystal-generation", ("structure",)
    return (TaskHeadSpec(name=name, summary=text, target=target, config=config, target_kinds=kinds, **common),)
