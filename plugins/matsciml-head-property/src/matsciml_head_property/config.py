"""Settings of the property heads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from matsciml_core import Config


class RegressionConfig(Config):
    """Settings of the scalar regression head."""

    hidden: tuple[PositiveInt, ...] = (64, 32)
    """Widths of the hidden layers, dimensionless."""
    activation: Literal["silu", "relu", "softplus"] = "silu"
    """Activation between the layers."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of hidden units dropped during training."""
    loss: Literal["l1", "mse", "huber"] = "l1"
    """Loss on z-scores; ``huber`` changes from quadratic to linear at one standard deviation."""
