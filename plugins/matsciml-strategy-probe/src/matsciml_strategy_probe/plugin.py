"""Registers the strategy ``probe``."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import Reference, StrategySpec, hookimpl


@hookimpl
def matsciml_strategies() -> Iterable[StrategySpec]:
    """Offer ``probe``."""
    yield StrategySpec(
        name="probe",
        summary="Heads fitted at once on the embeddings of a frozen encoder, without epochs.",
        class_path="matsciml_strategy_probe.strategy:Probe",
        licence="MIT",
        closed_form=True,
        references=(
            Reference(
                key="alain2016probes",
                authors="Alain, Guillaume and Bengio, Yoshua",
                title="Understanding intermediate layers using linear classifier probes",
                venue="arXiv:1610.01644",
                year=2016,
            ),
        ),
    )
