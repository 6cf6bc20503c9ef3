"""Datasets as extended XYZ: labels under their own names, and in their own units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers.extxyz.format import FIRST_MEANINGS
from matsciml_core.data.readers.extxyz.writing import write_frame
from matsciml_core.data.readers.labels import declaration
from matsciml_core.data.readers.writer import TAGS, Written
from matsciml_core.files import open_whole_text
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.held import FIXED, HELD_AXES, held_directions
from matsciml_core.registry.targets import TargetInfo

_BEYOND = 8
"""``held_axes`` from here on are along lattice vectors, of which ASE's column says nothing."""


def write_crystals(
    crystals: Iterable[Crystal], targets: Mapping[str, TargetInfo], path: Path
) -> Written:
    """Write crystals with their labels and site properties as frames.

    Args:
        crystals: The crystals.
        targets: Their labels.
        path: The file.
    """
    keys = {name: f"label_{name}" if name in FIRST_MEANINGS else name for name in targets}
    with open_whole_text(path) as stream:
        for crystal in crystals:
            values: dict[str, Any] = {}
            columns: dict[str, Any] = _columns_of(crystal)
            for name, value in crystal.labels.items():
                if name in targets and targets[name].per_atom:
                    columns[keys[name]] = np.reshape(value, (crystal.num_atoms, -1))
                elif name in targets:
                    values[keys[name]] = value
            write_frame(stream, crystal, values=values, columns=columns)
    return Written(labels={name: declaration(info, keys[name]) for name, info in targets.items()})


def _columns_of(crystal: Crystal) -> dict[str, NDArray[Any]]:
    """Return site properties as columns, in the way in which ASE writes what is held."""
    properties = crystal.site_properties
    columns: dict[str, NDArray[Any]] = {}
    if FIXED in properties or HELD_AXES in properties:
        held = held_directions(properties, crystal.num_atoms)
        held |= properties.get(FIXED, np.zeros(crystal.num_atoms, bool))[:, None].astype(bool)
        # One flag per atom where that says everything.
        columns["move_mask"] = (
            ~held if (held.any(axis=1) != held.all(axis=1)).any() else ~held[:, 0]
        )
        axes = properties.get(HELD_AXES, np.zeros(crystal.num_atoms, np.uint8))
        if (axes >= _BEYOND).any():
            columns["move_mask"] = properties.get(FIXED, np.zeros_like(axes)) == 0
            columns[HELD_AXES] = axes
    if TAGS in properties:
        columns[TAGS] = properties[TAGS]
    return columns
