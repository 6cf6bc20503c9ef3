"""Trajectories as pymatgen writes them in JSON: one object, whose arrays have a row per frame.

What a guess gets wrong of them, pymatgen 2026.10.24:

- Coordinates are fractions where there is a lattice, and Cartesian where there is none.
- They may be steps from one frame to the next, which count from ``base_positions``.
- By default all frames have the lattice of the first one, also of a run whose cell changed. A file
  cannot tell that; one made with ``constant_lattice=False`` has a lattice per frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers import Frame, Record
from matsciml_core.data.readers.structures import frame_from_structure
from matsciml_core.errors import DataError

CLASS = "Trajectory"
_NO_LATTICE = {"matrix": np.eye(3), "pbc": (False, False, False)}
"""Makes fractions of Cartesian coordinates, Å."""


def frames_of(data: Mapping[str, Any], stem: str) -> Iterator[Record]:
    """Yield the frames of a trajectory, each with its properties and those of its sites.

    Args:
        data: What ``Trajectory.as_dict()`` returns, as JSON.
        stem: What names of frames begin with.

    Raises:
        DataError: Its arrays do not fit together, or where steps begin is not said.
    """
    try:
        species = [{"occu": 1, **entry} for entry in data["species"]]
        coords = _array(data["coords"])
        lattices = None if data.get("lattice") is None else _array(data["lattice"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("The trajectory lacks its species, coordinates or lattices.") from error
    if coords.ndim != 3 or coords.shape[1:] != (len(species), 3):
        raise DataError(
            f"The trajectory has {len(species)} species, and coordinates of the shape "
            f"{coords.shape}."
        )
    if lattices is not None and lattices.shape not in ((3, 3), (len(coords), 3, 3)):
        raise DataError(
            f"The trajectory has {len(coords)} frames, and lattices of the shape {lattices.shape}."
        )
    if data.get("coords_are_displacement"):
        if data.get("base_positions") is None:
            raise DataError(
                "The trajectory has steps from frame to frame, and not where they begin; write it "
                "again after Trajectory.to_positions()."
            )
        coords = _array(data["base_positions"]) + np.cumsum(coords, axis=0)
    for index, fractions in enumerate(coords):
        own = _of_frame(data.get("site_properties"), index)
        sites = [
            {
                "species": [kind],
                "abc": row,
                "label": kind.get("element"),
                "properties": {key: column[atom] for key, column in own.items()},
            }
            for atom, (kind, row) in enumerate(zip(species, fractions, strict=True))
        ]
        lattice: Mapping[str, Any] = _NO_LATTICE
        if lattices is not None:
            lattice = {"matrix": lattices if lattices.ndim == 2 else lattices[index]}
        frame = frame_from_structure(
            {"lattice": lattice, "sites": sites, "charge": data.get("charge")},
            f"{stem}-{index:06d}",
            _of_frame(data.get("frame_properties"), index),
        )
        if lattices is None and isinstance(frame, Frame):
            frame = replace(frame, cell=np.zeros((3, 3)))
        yield frame


def _of_frame(properties: Any, index: int) -> dict[str, Any]:
    """Return the properties of a frame: of a list its entry, else those that all frames share."""
    entry = properties[index] if isinstance(properties, list) else properties
    return {key: _plain(value) for key, value in (entry or {}).items()}


def _plain(value: Any) -> Any:
    """Return a value, that of an array of monty's as lists."""
    return value["data"] if isinstance(value, dict) and "data" in value else value


def _array(value: Any) -> NDArray[np.float64]:
    return np.asarray(_plain(value), dtype=np.float64)
