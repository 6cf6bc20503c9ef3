"""Registers the strategy ``multi-data``."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import StrategySpec, hookimpl


@hookimpl
def matsciml_strategies() -> Iterable[StrategySpec]:
    """Offer ``multi-data``."""
    yield StrategySpec(
        name="multi-data",
        summary="Several datasets, one batch of each per step with equal say, or drawn in shares.",
        class_path="matsciml_strategy_multidata.strategy:MultiData",
        config="matsciml_strategy_multidata.config:MultiDataConfig",
        licence="MIT",
    )
