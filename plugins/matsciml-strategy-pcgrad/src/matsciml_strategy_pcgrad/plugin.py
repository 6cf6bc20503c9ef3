"""Registers aggregators of the tasks' gradients, which resolve conflicts between them."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import StrategySpec, hookimpl
from matsciml_strategy_pcgrad.specs import SPECS


@hookimpl
def matsciml_strategies() -> Iterable[StrategySpec]:
    """Offer ``pcgrad`` and its alternatives, each under a name of its own."""
    return SPECS
