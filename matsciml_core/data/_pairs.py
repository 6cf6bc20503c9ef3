"""Pairs of atoms within a cutoff, found by vesin's compiled cell list, one crystal after the other.

vesin's Python wrapper spends about as long on converting arguments and results as the search
itself takes for a crystal of ten atoms. Its C function is therefore called directly where the
installed vesin has exactly the types known here, and the wrapper is used where it has not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import vesin
from numpy.typing import NDArray

from matsciml_core.errors import GeometryError

try:
    from vesin import _c_api, _c_lib
except ImportError:  # private modules; the public class is used where they are not found
    _c_api = _c_lib = None

LARGEST_BOX = 1000.0
"""Longest lattice vector that is searched, Å. Far beyond, the search would overflow."""
MOST_PAIRS = 1e8
"""Most pairs expected in one crystal; more are a mistake in the cell, and would fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pairs (i, j, S) with ``|x_j + S · L − x_i| < cutoff``, sorted by crystal and by i."""

    atoms: NDArray[np.int64]
    """i and j, counted within their crystal, ``(pairs, 2)``."""
    shifts: NDArray[np.int32]
    """S, ``(pairs, 3)``."""
    lengths: NDArray[np.float64]
    """Distances, ``(pairs,)``, Å; empty where they were not asked for."""
    per_crystal: NDArray[np.int64]
    """Number of pairs of each crystal, ``(crystals,)``."""


def find_pairs(
    positions: NDArray[np.float64],
    cells: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    atoms_per_crystal: NDArray[np.int64],
    cutoff: float,
    *,
    lengths: bool = False,
) -> Pairs:
    """Find all directed pairs within a cutoff, periodic images included.

    Args:
        positions: Cartesian, ``(atoms, 3)``, Å, unwrapped or not.
        cells: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        pbc: Periodic directions, ``(crystals, 3)``.
        atoms_per_crystal: ``(crystals,)``.
        cutoff: Distance below which atoms are a pair, Å.
        lengths: Whether to return distances.

    Returns:
        The pairs.

    Raises:
        GeometryError: A coordinate is not finite, a periodic cell has no volume, or a crystal is
            too large or too dense to be one.
    """
    bounds = [0, *np.cumsum(atoms_per_crystal).tolist()]
    points = np.ascontiguousarray(positions, dtype=np.float64)
    boxes = _closed_boxes(points, cells, pbc, bounds, cutoff)
    _check(points, boxes, atoms_per_crystal, cutoff)
    buffer = _Buffer(capacity=64 * len(points), lengths=lengths)
    library = _library()
    if library is None:
        counts = _search_with_wrapper(points, boxes, bounds, cutoff, buffer)
    else:
        counts = _search_with_library(library, points, boxes, bounds, cutoff, buffer)
    return buffer.result(counts)


def _closed_boxes(
    points: NDArray[np.float64],
    cells: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    bounds: list[int],
    cutoff: float,
) -> NDArray[np.float64]:
    """Return periodic boxes in which the crystals have the same pairs.

    A direction that is not periodic becomes one with so much vacuum that no image is in reach;
    vesin's own treatment of such directions takes long, or fails, where atoms are far apart.
    """
    boxes = np.ascontiguousarray(cells, dtype=np.float64)
    if pbc.all():
        return boxes
    boxes = boxes.copy()
    for k in np.flatnonzero(~pbc.all(axis=1)).tolist():
        closed = boxes[k][pbc[k]]  # (periodic directions, 3)
        normals = np.linalg.svd(closed)[2][len(closed) :] if len(closed) else np.eye(3)
        extents = np.ptp(points[bounds[k] : bounds[k + 1]] @ normals.T, axis=0)
        boxes[k][~pbc[k]] = normals * (extents + 2.0 * cutoff)[:, None]
    return boxes


def _check(
    points: NDArray[np.float64],
    boxes: NDArray[np.float64],
    counts: NDArray[np.int64],
    cutoff: float,
) -> None:
    """Refuse what would end the process inside the compiled search, or fill the memory."""
    if not (np.isfinite(points).all() and np.isfinite(boxes).all()):
        raise GeometryError(
            "The batch has a position or a lattice vector that is not finite; neighbours can only "
            "be found for finite coordinates."
        )
    longest = np.linalg.norm(boxes, axis=2).max(axis=1)
    if longest.max() > LARGEST_BOX:
        raise GeometryError(
            f"Crystal {longest.argmax()} of the batch is {longest.max():.3g} Å long, vacuum "
            f"included; at most {LARGEST_BOX:g} Å are searched for neighbours. Are cell and "
            "positions in Å?"
        )
    expected = 4.0 / 3.0 * np.pi * cutoff**3 * counts.astype(np.float64) ** 2
    dense = expected > MOST_PAIRS * np.abs(np.linalg.det(boxes))
    if dense.any():
        raise GeometryError(
            f"Crystal {dense.argmax()} of the batch has next to no volume: it would have more than "
            f"{MOST_PAIRS:g} edges within {cutoff:g} Å. Are its lattice vectors independent rows, "
            "in Å?"
        )


class _Buffer:
    """Collects pairs in arrays that at least double when full."""

    def __init__(self, *, capacity: int, lengths: bool) -> None:
        self.with_lengths = lengths
        self.used = 0
        self._allocate(max(capacity, 64))

    def extend(self, count: int) -> int:
        """Make room for pairs and return the place of the first."""
        first, self.used = self.used, self.used + count
        if self.used > len(self.atoms):
            atoms, shifts, lengths = self.atoms, self.shifts, self.lengths
            self._allocate(max(self.used, 2 * len(self.atoms)))
            self.atoms[:first] = atoms[:first]
            self.shifts[:first] = shifts[:first]
            if self.with_lengths:
                self.lengths[:first] = lengths[:first]
        return first

    def result(self, counts: list[int]) -> Pairs:
        """Return what was collected."""
        return Pairs(
            atoms=self.atoms[: self.used],
            shifts=self.shifts[: self.used],
            lengths=self.lengths[: self.used],
            per_crystal=np.array(counts, dtype=np.int64),
        )

    def _allocate(self, capacity: int) -> None:
        self.atoms = np.empty((capacity, 2), dtype=np.int64)
        self.shifts = np.empty((capacity, 3), dtype=np.int32)
        self.lengths = np.empty(capacity if self.with_lengths else 0, dtype=np.float64)
        self.addresses = tuple(
            array.ctypes.data for array in (self.atoms, self.shifts, self.lengths)
        )


def _search_with_wrapper(
    points: NDArray[np.float64],
    boxes: NDArray[np.float64],
    bounds: list[int],
    cutoff: float,
    buffer: _Buffer,
) -> list[int]:
    """Search with vesin's public class; return the number of pairs of each crystal."""
    search = vesin.NeighborList(cutoff=cutoff, full_list=True, sorted=True, n_threads=1)
    quantities = "PSd" if buffer.with_lengths else "PS"
    counts = []
    for box, (first, last) in zip(boxes, pairwise(bounds), strict=True):
        found = search.compute(points[first:last], box, True, quantities, copy=False)
        counts.append(len(found[0]))
        start = buffer.extend(counts[-1])
        buffer.atoms[start : buffer.used], buffer.shifts[start : buffer.used] = found[:2]
        if buffer.with_lengths:
            buffer.lengths[start : buffer.used] = found[2]
    return counts


def _search_with_library(
    library: _Library,
    points: NDArray[np.float64],
    boxes: NDArray[np.float64],
    bounds: list[int],
    cutoff: float,
    buffer: _Buffer,
) -> list[int]:
    """Search with vesin's C function; return the number of pairs of each crystal."""
    call, free = library
    options = _c_api.VesinOptions(cutoff=cutoff, full=True, sorted=True, n_threads=1)
    options.return_shifts, options.return_distances = True, buffer.with_lengths
    device = _c_api.VesinDevice(_c_api.VesinCPU, 0)
    periodic, message = (ctypes.c_bool * 3)(True, True, True), ctypes.c_char_p()
    found = _c_api.VesinNeighborList()
    point, box = points.ctypes.data, boxes.ctypes.data
    counts = []
    try:
        for first, last in pairwise(bounds):
            size = last - first
            if call(point, size, box, periodic, device, options, found, message):
                raise RuntimeError(f"vesin: {(message.value or b'').decode()}")
            counts.append(found.length)
            _copy(found, buffer)
            point, box = point + size * points.strides[0], box + boxes.strides[0]
    finally:
        free(found)
    return counts


def _copy(found: Any, buffer: _Buffer) -> None:
    count = found.length
    first = buffer.extend(count)
    atoms, shifts, lengths = buffer.addresses
    ctypes.memmove(atoms + 16 * first, found.pairs, 16 * count)
    ctypes.memmove(shifts + 12 * first, found.shifts, 12 * count)
    if buffer.with_lengths:
        ctypes.memmove(lengths + 8 * first, found.distances, 8 * count)


_Library = tuple[Callable[..., int], Callable[..., None]]
"""vesin's search and its release of memory."""


@cache
def _library() -> _Library | None:
    """Return vesin's C functions; None where they are not the ones known here."""
    if _c_lib is None:
        return None
    library = _c_lib.get_library()
    if not _known(_c_api, library):
        return None
    # A function object of our own, so that the wrapper's keeps its argument types.
    search = library["vesin_neighbors"]
    search.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_void_p,
        _c_api.VesinDevice,
        _c_api.VesinOptions,
        ctypes.POINTER(_c_api.VesinNeighborList),
        ctypes.POINTER(ctypes.c_char_p),
    ]
    search.restype = ctypes.c_int
    return search, library.vesin_free


_FIELDS = {
    "VesinDevice": "type device_id",
    "VesinOptions": (
        "cutoff full sorted algorithm skin n_threads return_shifts return_distances return_vectors"
    ),
    "VesinNeighborList": "length device pairs shifts distances vectors opaque",
}
"""Fields of the structures that the direct call relies on (vesin 0.6)."""


def _known(types: Any, library: Any) -> bool:
    """Return whether structures and function are the ones that this module was written for."""
    try:
        fields = {
            name: " ".join(field[0] for field in getattr(types, name)._fields_) for name in _FIELDS
        }
        arguments = library.vesin_neighbors.argtypes
        expected = [
            ctypes.POINTER(ctypes.c_double),
            ctypes.c_size_t,
            ctypes.POINTER(ctypes.c_double),
            ctypes.POINTER(ctypes.c_bool),
            types.VesinDevice,
            types.VesinOptions,
            ctypes.POINTER(types.VesinNeighborList),
            ctypes.POINTER(ctypes.c_char_p),
        ]
    except AttributeError:
        return False
    wide = ctypes.sizeof(ctypes.c_size_t) == ctypes.sizeof(ctypes.c_int64)
    return fields == _FIELDS and arguments == expected and wide
