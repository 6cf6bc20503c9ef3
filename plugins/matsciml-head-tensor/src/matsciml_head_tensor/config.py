"""Settings of the head for vectors and matrices."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from matsciml_core import Config


class TensorConfig(Config):
    """Settings of the head for vectors and matrices."""

    hidden: tuple[PositiveInt, ...] = (64,)
    """Widths of the hidden layers that turn an atom's embedding into weights of its vectors and
    matrices, dimensionless."""
    activation: Literal["silu", "relu", "softplus"] = "silu"
    """Activation between the layers."""
    products: int = Field(default=8, ge=0)
    """Number of products of two vectors that enter a matrix beside the encoder's matrices. Only
    they can make a matrix that does not equal its transpose."""
    loss: Literal["norm", "mse"] = "norm"
    """Loss in units of the fitted spread. ``norm``: length of the difference, of a matrix its
    Frobenius norm, by the root of the number of components; robust as a mean absolute error, but
    the same in every orientation of the crystal. ``mse``: its square."""
