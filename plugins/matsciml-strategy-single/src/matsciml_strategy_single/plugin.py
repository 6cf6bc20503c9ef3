"""Registers the strategy ``single``."""

from collections.abc import Iterable

from matsciml_core import StrategySpec, hookimpl


@hookimpl
def matsciml_strategies() -> Iterable[StrategySpec]:
    """Offer ``single``."""
    yield StrategySpec(
        name="single",
        summary="One task, the plain gradient of its loss.",
        class_path="matsciml_strategy_single.strategy:Single",
        licence="MIT",
        max_tasks=1,
        max_datasets=1,
    )
