"""Settings of the strategy ``additive``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, PositiveFloat

from matsciml_core import Config


class AdditiveConfig(Config):
    """Settings of the sum of losses. Losses are dimensionless, and so are the weights."""

    weights: Mapping[str, PositiveFloat] = Field(default_factory=dict)
    """Factor of a task's loss, by ``dataset/target`` or by target alone; 1 where absent,
    dimensionless."""
    weighting: Literal["fixed", "uncertainty"] = "fixed"
    """``fixed``: the weights as they are. ``uncertainty``: times a factor for each task that is
    learned with the model (Kendall, Gal and Cipolla 2018)."""
