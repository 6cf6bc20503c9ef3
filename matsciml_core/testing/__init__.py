"""Conformance kit: the physics and contracts that every plugin must satisfy.

``matsciml check NAME`` runs it; so do tests that build on the mixins here. Public names are
imported on first use, so that pytest, which loads this package in every run, stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "checks": ("Broken", "Check", "Doubtful", "Measured", "NotApplicable", "Row"),
    "contracts": (
        "DatasetContract",
        "EncoderContract",
        "ReaderContract",
        "StrategyContract",
        "TaskHeadContract",
    ),
    "reader.sample": ("Sample", "frame_of"),
    "scorecard": ("CHECKS", "Scorecard", "reference_markdown", "run_checks", "subject_of"),
    "tolerances": ("Tolerance",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "CHECKS",
    "Broken",
    "Check",
    "DatasetContract",
    "Doubtful",
    "EncoderContract",
    "Measured",
    "NotApplicable",
    "ReaderContract",
    "Row",
    "Sample",
    "Scorecard",
    "StrategyContract",
    "TaskHeadContract",
    "Tolerance",
    "frame_of",
    "reference_markdown",
    "run_checks",
    "subject_of",
]

if TYPE_CHECKING:
    from matsciml_core.testing.checks import (
        Broken,
        Check,
        Doubtful,
        Measured,
        NotApplicable,
        Row,
    )
    from matsciml_core.testing.contracts import (
        DatasetContract,
        EncoderContract,
        ReaderContract,
        StrategyContract,
        TaskHeadContract,
    )
    from matsciml_core.testing.reader.sample import Sample, frame_of
    from matsciml_core.testing.scorecard import (
        CHECKS,
        Scorecard,
        reference_markdown,
        run_checks,
        subject_of,
    )
    from matsciml_core.testing.tolerances import Tolerance


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'matsciml_core.testing' has no attribute '{name}'")
    return getattr(import_module(f"matsciml_core.testing.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names without importing them."""
    return __all__
