"""Settings of the property heads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from matsciml_core import Config


class PerceptronConfig(Config):
    """Settings that every property head has."""

    hidden: tuple[PositiveInt, ...] = (64, 32)
    """Widths of the hidden layers, dimensionless."""
    activation: Literal["silu", "relu", "softplus"] = "silu"
    """Activation between the layers."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of hidden units dropped during training."""


class RegressionConfig(PerceptronConfig):
    """Settings of the regression head."""

    loss: Literal["l1", "mse", "huber"] = "l1"
    """Loss on z-scores; ``huber`` changes from quadratic to linear at one standard deviation."""


class BinaryConfig(PerceptronConfig):
    """Settings of the head for two classes."""

    balance: bool = False
    """Whether both classes weigh the same in the loss, however rare one of them is."""


class MulticlassConfig(PerceptronConfig):
    """Settings of the head for several classes."""

    hidden: tuple[PositiveInt, ...] = (128,)
    """Widths of the hidden layers, dimensionless."""
    class_weights: Literal["none", "inverse-sqrt"] = "none"
    """``inverse-sqrt``: a class of n training crystals weighs n^-0.5 in the loss, so that rare ones
    are not ignored."""
    weight_cap: PositiveFloat = Field(default=10.0, ge=1.0)
    """Largest weight of a class relative to the most frequent one, dimensionless."""
    logit_adjustment: float = Field(default=0.0, ge=0.0)
    """τ of the logit-adjusted loss (Menon et al. 2021, Eq. 10): τ · ln(prior) is added to the
    logits during training only, which aims at the balanced accuracy; 0: off, 1: as derived."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the target probability that is spread evenly over all classes."""
    symprec: PositiveFloat = 0.1
    """Tolerance of the symmetry finder that stands beside space-group predictions, Å; the labels
    of the Materials Project were made with 0.1."""
