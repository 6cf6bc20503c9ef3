"""Labels and site properties of several crystals, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from matsciml_core.errors import ShapeError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.targets import TargetInfo


def join_site_properties(crystals: Sequence[Crystal]) -> dict[str, Tensor]:
    """Collect every site property that a crystal has; the atoms of the others have 0."""
    names = dict.fromkeys(name for crystal in crystals for name in crystal.site_properties)
    return {
        name: torch.from_numpy(
            np.concatenate(
                [
                    c.site_properties.get(name, np.zeros(c.num_atoms, dtype=np.uint8))
                    for c in crystals
                ]
            )
        )
        for name in names
    }


def stack_labels(crystals: Sequence[Crystal], info: TargetInfo) -> Tensor:
    """Collect one label; missing values become NaN, or −1 for a class."""
    rows = []
    for crystal in crystals:
        shape = info.value_shape(crystal.num_atoms)
        value = crystal.labels.get(info.name)
        row = np.full(shape, info.missing) if value is None else np.asarray(value, np.float64)
        if row.shape != shape:
            raise ShapeError(
                f"Label '{info.name}' of crystal '{crystal.id}' has the shape {row.shape}; "
                f"it must be {shape}."
            )
        rows.append(row)
    stacked = np.concatenate(rows) if info.per_atom else np.stack(rows)
    return torch.from_numpy(stacked)
