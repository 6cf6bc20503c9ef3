"""Files whose content is known: what the checks of a reader read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core.data.readers.frames import Frame
from matsciml_core.interfaces.crystal import Crystal


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file of a format, or a folder of files, with what it holds.

    A file that the format's own program or library wrote is worth more than one by hand: a reader
    and a file by the same author agree about what both got wrong.
    """

    path: Path
    frames: Sequence[Frame]
    """What it holds, in order, with its names; of the values, those that are to be compared."""
    precision: float = 1e-6
    """Largest difference of positions and lattice vectors, Å, that the format's digits allow."""
    same_orientation: bool = True
    """Whether the format holds lattice vectors; else, as with lengths and angles, the cell may be
    turned as a whole, together with everything in it."""
    write_many: Callable[[Path, int], None] | None = None
    """Writes a file with so many records to a path; None: memory is not measured."""


def frame_of(crystal: Crystal, values: Mapping[str, Any] | None = None, **changes: Any) -> Frame:
    """Return what a reader should make of a crystal, for the samples of a format.

    Args:
        crystal: For example one of ``matsciml_core.testing.crystals``.
        values: What the file says beside it.
        changes: Fields of the frame that differ, for example its name.
    """
    fields = {
        "name": crystal.id,
        "atomic_numbers": crystal.atomic_numbers,
        "positions": crystal.positions,
        "cell": crystal.cell,
        "pbc": crystal.pbc,
        "values": dict(values or {}),
    }
    return Frame(**{**fields, **changes})


def structure_difference(frame: Frame, expected: Frame, sample: Sample) -> str:
    """Return in what two structures differ, as the end of a sentence; empty: in nothing.

    Positions are compared up to lattice vectors, since formats differ in whether they wrap.

    Args:
        frame: What the reader made of a file.
        expected: What the file holds.
        sample: The file.
    """
    numbers = np.asarray(frame.atomic_numbers)
    if numbers.tolist() != np.asarray(expected.atomic_numbers).tolist():
        return f"has the atomic numbers {numbers.tolist()}"
    if np.asarray(frame.pbc).tolist() != np.asarray(expected.pbc).tolist():
        return f"is periodic in the directions {np.asarray(frame.pbc).tolist()}"
    cells = [np.asarray(either.cell, dtype=np.float64) for either in (frame, expected)]
    # Products of lattice vectors do not depend on how the cell is turned in space.
    compared = cells if sample.same_orientation else [cell @ cell.T for cell in cells]
    scale = 1.0 if sample.same_orientation else 2 * max(float(np.linalg.norm(cells[1])), 1.0)
    if np.abs(compared[0] - compared[1]).max() > sample.precision * scale:
        return f"has the lattice vectors {np.round(cells[0], 6).tolist()}"
    positions = [np.asarray(either.positions, dtype=np.float64) for either in (frame, expected)]
    if np.any(cells[1]):
        # A pseudo-inverse, because a slab may have a lattice vector of length zero.
        inverse = [np.linalg.pinv(cell) for cell in cells]
        steps = positions[0] @ inverse[0] - positions[1] @ inverse[1]
        inside = np.abs(steps - np.round(steps) * np.asarray(expected.pbc)) @ np.abs(cells[1])
    else:
        inside = np.abs(positions[0] - positions[1])
    atom = int(np.argmax(inside.max(axis=1)))
    if inside[atom].max() > sample.precision:
        return f"has atom {atom} elsewhere, off by {inside[atom].max():.2g} Å"
    return ""


def value_difference(frame: Frame, expected: Frame) -> str:
    """Return which value of a record is missing or different, as the end of a sentence.

    Args:
        frame: What the reader made of a file.
        expected: What the file holds.
    """
    for key, value in expected.values.items():
        if key not in frame.values:
            return f"lacks '{key}'"
        mine, theirs = np.asarray(frame.values[key]), np.asarray(value)
        # Numbers may be text, as in a CSV file: a label is read from either.
        if theirs.dtype.kind in "iuf":
            try:
                same = mine.shape == theirs.shape and np.allclose(
                    mine.astype(np.float64), theirs, rtol=1e-6, atol=1e-9
                )
            except ValueError:
                same = False
        else:
            same = np.array_equal(mine, theirs)
        if not same:
            return f"has another '{key}' than the file"
    for key, numbers in expected.site_properties.items():
        if np.asarray(frame.site_properties.get(key)).tolist() != np.asarray(numbers).tolist():
            return f"has another site property '{key}' than the file"
    return ""
