"""Registers the strategies that resolve conflicts between the gradients of tasks."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import StrategySpec, hookimpl
from matsciml_strategy_pcgrad.offers import OFFERS


@hookimpl
def matsciml_strategies() -> Iterable[StrategySpec]:
    """Offer ``pcgrad`` and its alternatives, each under a name of its own."""
    return OFFERS
