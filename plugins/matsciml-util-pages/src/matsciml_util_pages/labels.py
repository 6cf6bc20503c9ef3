"""Declarations of labels, as runs have written them down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matsciml_core.errors import MatSciMLError
from matsciml_core.registry.targets import TargetInfo


def read_label(name: str, data: Mapping[str, Any]) -> TargetInfo:
    """Return the declaration of a label; a number without a unit where a run has none.

    Args:
        name: The label.
        data: What ``run.json`` says of it; empty: nothing.

    >>> read_label("gap", {"kind": "scalar", "unit": "eV"}).unit
    'eV'
    >>> read_label("gap", {"kind": "damaged"}).kind
    'scalar'
    """
    try:
        return TargetInfo.from_data({**data, "name": name})
    except MatSciMLError:
        return TargetInfo(name=name, kind="scalar", unit="dimensionless")
