"""Settings of the aggregators."""

from __future__ import annotations

from pydantic import Field, PositiveFloat

from matsciml_core import Config


class PCGradConfig(Config):
    """Settings of PCGrad."""

    seed: int = Field(default=0, ge=0)
    """Seed of the order in which a gradient is compared with the others; of no effect with two
    tasks."""


class GradNormConfig(Config):
    """Settings of GradNorm."""

    alpha: float = Field(default=1.5, ge=0.0)
    """How strongly tasks that lag behind are favoured, dimensionless; 0: all gradients are given
    the same length."""
    learning_rate: PositiveFloat = 0.025
    """Change of a weight per step, dimensionless."""


class CAGradConfig(Config):
    """Settings of CAGrad."""

    radius: float = Field(default=0.5, ge=0.0, lt=1.0)
    """How far the direction may be from the mean gradient, as a share of its length; 0: the mean
    itself."""
