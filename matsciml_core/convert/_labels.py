"""Which labels belong to atoms, and which foreign values can be labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.registry.targets import TargetInfo

CALCULATED: Mapping[str, TargetInfo] = MappingProxyType(
    {
        "energy": TargetInfo(name="energy", kind="energy", unit="eV"),
        "forces": TargetInfo(name="forces", kind="forces", unit="eV/Å"),
        "stress": TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
    }
)
"""Names that ASE's calculators give to labels, in our units and with our signs."""


def split_labels(
    labels: Mapping[str, Any], num_atoms: int, targets: Mapping[str, TargetInfo]
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Tell labels of atoms from labels of the crystal.

    Args:
        labels: Values by name.
        num_atoms: Number of atoms.
        targets: Declarations by name. A label that is not declared belongs to the atoms if it has
            one row for each of them, unless ASE gives its name another meaning.

    Returns:
        The labels with one row per atom as arrays, and the others as numbers or nested lists.
    """
    per_atom: dict[str, NDArray[Any]] = {}
    whole: dict[str, Any] = {}
    declared = {**CALCULATED, **targets}
    for name, value in labels.items():
        array = np.asarray(value)
        # 3 x 3 numbers of a crystal of three atoms look like three rows of forces.
        rows = array.ndim > 0 and len(array) == num_atoms
        if declared[name].per_atom if name in declared else rows:
            per_atom[name] = array
        else:
            whole[name] = array.tolist()
    return per_atom, whole


def as_label(value: Any) -> Any | None:
    """Return a number or an array of numbers, or None where a value is neither.

    A truth value becomes 0 or 1, as the label of a class; an array of them is no label.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    if array.ndim == 0 and array.dtype.kind in "biuf":
        return int(array) if array.dtype.kind == "b" else array.item()
    return array if array.size and array.dtype.kind in "iuf" else None


def as_atom_label(values: Sequence[Any]) -> Any | None:
    """Return one row per atom, NaN where an atom has None, or None where these are no numbers."""
    present = [value for value in values if value is not None]
    if not present:
        return None
    blank = np.full(np.shape(present[0]), np.nan)
    return as_label([blank if value is None else value for value in values])
