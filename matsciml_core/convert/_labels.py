"""Which labels belong to atoms, and which foreign values can be labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NOT_PER_ATOM = "stress"
"""Its 3 x 3 numbers are never those of three atoms."""


def split_labels(
    labels: Mapping[str, Any], num_atoms: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Tell labels of atoms from labels of the crystal, by their shapes.

    Args:
        labels: Values by name.
        num_atoms: Number of atoms.

    Returns:
        The labels with one row per atom as arrays, and the others as numbers or nested lists.
    """
    per_atom: dict[str, NDArray[Any]] = {}
    whole: dict[str, Any] = {}
    for name, value in labels.items():
        array = np.asarray(value)
        if array.ndim and len(array) == num_atoms and name != _NOT_PER_ATOM:
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
    known = [value for value in values if value is not None]
    if not known:
        return None
    blank = np.full(np.shape(known[0]), np.nan)
    return as_label([blank if value is None else value for value in values])
