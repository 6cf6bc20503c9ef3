"""What ``run.json`` says, whatever else stands in it. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matsciml_core.errors import MatSciMLError
from matsciml_core.registry.targets import TargetInfo


def nested(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return a mapping inside others; empty where it is absent or something else.

    >>> nested({"metrics": {"test": {"mae": 0.5}}}, "metrics", "test")
    {'mae': 0.5}
    >>> nested({"metrics": 3}, "metrics", "test")
    {}
    """
    value: Any = data
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}


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
    # A run of another version may have kinds and units that this one does not know.
    try:
        return TargetInfo.from_data({**data, "name": name})
    except MatSciMLError:
        return TargetInfo(name=name, kind="scalar", unit="dimensionless")
