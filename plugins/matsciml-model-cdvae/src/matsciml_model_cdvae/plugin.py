"""Registers the encoders ``dimenet++`` and ``cdvae`` and the head ``crystal-generation``."""

from collections.abc import Iterable

from matsciml_core import EncoderSpec, TaskHeadSpec, hookimpl
from matsciml_model_cdvae import specs


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer ``dimenet++`` and ``cdvae``."""
    return (specs.DIMENET, specs.CDVAE)


@hookimpl
def matsciml_task_heads() -> Iterable[TaskHeadSpec]:
    """Offer ``crystal-generation``."""
    return (specs.CRYSTAL_GENERATION,)
