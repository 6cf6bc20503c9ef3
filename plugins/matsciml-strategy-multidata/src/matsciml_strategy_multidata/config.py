"""Settings of the strategy ``multi-data``."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from matsciml_core import Config


class MultiDataConfig(Config):
    """How several datasets are trained together."""

    sampling: Literal["balanced", "proportional", "temperature"] = "balanced"
    """``balanced``: each step takes one batch of every dataset; shorter datasets start over until
    the longest has been seen once. ``proportional``: each step takes one batch of one dataset, at
    random, and every crystal is seen once per epoch. ``temperature``: the same, with shares in
    proportion to size^(1 / temperature)."""
    temperature: PositiveFloat = 2.0
    """1: as ``proportional``; the larger, the more equal the shares; dimensionless. Of no effect
    with other ways of sampling."""
