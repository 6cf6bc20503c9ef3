"""Registers the strategy ``additive``."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import Reference, StrategySpec, hookimpl


@hookimpl
def matsciml_strategies() -> Iterable[StrategySpec]:
    """Offer ``additive``."""
    yield StrategySpec(
        name="additive",
        summary="Several tasks, the gradient of the sum of their losses; weights optional.",
        class_path="matsciml_strategy_additive.strategy:Additive",
        config="matsciml_strategy_additive.config:AdditiveConfig",
        licence="MIT",
        references=(
            Reference(
                key="kendall2018uncertainty",
                authors="Kendall, Alex and Gal, Yarin and Cipolla, Roberto",
                title="Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry "
                "and Semantics",
                venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition, 7482-7491",
                year=2018,
                doi="10.1109/CVPR.2018.00781",
            ),
        ),
    )
