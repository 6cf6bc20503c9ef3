"""Pairs of atoms within a cutoff, found by vesin's compiled cell list, one crystal after the other.

vesin's Python wrapper spends about as long on converting arguments and results as the search
itself takes for a crystal of ten atoms. Its C function is therefore called directly where the
installed vesin has exactly the types known here, and the wrapper is used where it has not.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
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
_LEAST_VOLUME = 1.0
"""Å³ per atom; no crystal at any pressure that matters here is denser."""
MOST_TRIALS = 1e8
"""Most pairs of atoms, or of empty boxes, that are looked at in a flat cell: about a second."""
_WASTE = 100.0
"""Where so many are looked at for each pair expected, the shape of the cell is to blame. In a cell
with right angles it is 50 at the most."""
_ROUNDING = 1e-9
"""By which vesin's count of boxes may fall below ours, since it may round otherwise."""
_MOST_BOXES = 1e5
"""vesin divides a cell into boxes as wide as the cutoff, and into wider ones beyond this number."""
_BOXES_TO_CHECK = 0.98 * _MOST_BOXES
"""It may round otherwise."""


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
    ids: Sequence[str] = (),
) -> Pairs:
    """Find all directed pairs within a cutoff, periodic images included.

    Args:
        positions: Cartesian, ``(atoms, 3)``, Å, unwrapped or not.
        cells: Lattice vectors as rows, ``(crystals, 3, 3)``, Å.
        pbc: Periodic directions, ``(crystals, 3)``, dimensionless.
        atoms_per_crystal: Number of atoms of each, ``(crystals,)``, dimensionless.
        cutoff: Distance below which atoms are a pair, Å.
        lengths: Whether to return distances.
        ids: What the crystals are called in errors; empty: by their numbers.

    Returns:
        The pairs.

    Raises:
        GeometryError: A coordinate is not finite, a periodic cell has no volume, or a crystal is
            too large, too dense or too flat to be one.
    """
    bounds = [0, *np.cumsum(atoms_per_crystal).tolist()]
    points = np.ascontiguousarray(positions, dtype=np.float64)
    if not (np.isfinite(points).all() and np.isfinite(cells).all()):
        raise GeometryError(
            "The batch has a position or a lattice vector that is not finite; neighbours can only "
            "be found for finite coordinates."
        )
    boxes = _closed_boxes(points, cells, pbc, bounds, cutoff)
    _check(points, boxes, atoms_per_crystal, cutoff, ids)
    # Crystals of mp have 54 neighbours within 6 Å on average: most batches allocate once.
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
    boxes = boxes.copy()  # ascontiguousarray may have returned the caller's own array
    for k in np.flatnonzero(~pbc.all(axis=1)).tolist():
        closed = boxes[k][pbc[k]]  # (periodic directions, 3)
        # Right singular vectors beyond the rank are perpendicular to all periodic directions.
        normals = np.linalg.svd(closed)[2][len(closed) :] if len(closed) else np.eye(3)
        extents = np.ptp(points[bounds[k] : bounds[k + 1]] @ normals.T, axis=0)
        boxes[k][~pbc[k]] = normals * (extents + 2.0 * cutoff)[:, None]
    return boxes


def _check(
    points: NDArray[np.float64],
    boxes: NDArray[np.float64],
    counts: NDArray[np.int64],
    cutoff: float,
    ids: Sequence[str],
) -> None:
    """Reject what would end the process inside the compiled search, or fill the memory."""
    longest = np.linalg.norm(boxes, axis=2).max(axis=1)
    if longest.max() > LARGEST_BOX:
        raise GeometryError(
            f"{_called(longest.argmax(), len(boxes), ids)} is {longest.max():.3g} Å long, vacuum "
            f"included; at most {LARGEST_BOX:g} Å are searched for neighbours. Are cell and "
            "positions in Å?"
        )
    volumes = np.abs(np.linalg.det(boxes))
    # Each of N atoms has N / V · 4/3 π r³ neighbours on average. Kept as a product with V (Å³), so
    # that a cell without volume is caught here and divides nothing by zero.
    expected = 4.0 / 3.0 * np.pi * cutoff**3 * counts.astype(np.float64) ** 2  # Å³ pairs
    dense = expected > MOST_PAIRS * volumes
    if dense.any():
        index = int(dense.argmax())
        if volumes[index] >= _LEAST_VOLUME * counts[index]:
            raise GeometryError(
                f"{_called(dense.argmax(), len(boxes), ids)} would have more than {MOST_PAIRS:g} "
                f"edges within the cutoff of {cutoff:g} Å; lower that, to 4 to 12 Å as a rule."
            )
        raise GeometryError(
            f"{_called(dense.argmax(), len(boxes), ids)} has next to no volume: it would have more "
            f"than {MOST_PAIRS:g} edges within {cutoff:g} Å. Are its lattice vectors independent "
            "rows, in Å?"
        )
    # Lattice planes cost cross products for every crystal; nearly none needs them.
    suspects = np.flatnonzero(_may_be_flat(longest, volumes, counts, cutoff))
    if not len(suspects):
        return
    heights = _heights(boxes[suspects], volumes[suspects])
    flat = _are_flat(heights, counts[suspects], (expected / volumes)[suspects], cutoff)
    if flat.any():
        low, high = heights[flat.argmax()].min(), heights[flat.argmax()].max()
        raise GeometryError(
            f"{_called(suspects[flat.argmax()], len(boxes), ids)} is too flat: its lattice planes "
            f"are {low:.2g} Å apart in one direction and {high:.3g} Å in another, which is no "
            f"shape to search for neighbours within {cutoff:g} Å. Are its lattice vectors "
            "independent rows, in Å?"
        )


def _called(index: np.intp, crystals: int, ids: Sequence[str]) -> str:
    """Return what a crystal of a batch is called at the beginning of a sentence."""
    if ids:
        return f"Crystal '{ids[int(index)]}'"
    return "The crystal" if crystals == 1 else f"Crystal {index} of the batch"


def _may_be_flat(
    longest: NDArray[np.float64],
    volumes: NDArray[np.float64],
    counts: NDArray[np.int64],
    cutoff: float,
) -> NDArray[np.bool_]:
    """Return True for every cell that :func:`_are_flat` rejects, and few others, at little cost.

    Lattice planes are at least V/l² apart, with l the longest lattice vector, so that the numbers
    of boxes and of pairs to look at have bounds that need neither planes nor angles.
    """
    boxes = np.maximum(longest / cutoff, 1.0) ** 3
    images = (2.0 * cutoff * longest**2 / volumes + 3.0) ** 3
    trials = images * (boxes + counts.astype(np.float64) ** 2)
    suspect: NDArray[np.bool_] = (trials > MOST_TRIALS) | (boxes > _BOXES_TO_CHECK)
    return suspect


def _heights(boxes: NDArray[np.float64], volumes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances between lattice planes, ``(crystals, 3)``, Å."""
    normals = np.cross(boxes[:, (1, 2, 0)], boxes[:, (2, 0, 1)])
    heights: NDArray[np.float64] = volumes[:, None] / np.linalg.norm(normals, axis=2)
    return heights


def _are_flat(
    heights: NDArray[np.float64],
    counts: NDArray[np.int64],
    expected: NDArray[np.float64],
    cutoff: float,
) -> NDArray[np.bool_]:
    """Mark the cells that vesin would search for ever, or would divide into no boxes at all.

    It divides a cell into boxes at least as wide as the cutoff and looks, from each of them, at all
    those within reach. Where lattice planes are close together, very many are. Where a cell is wide
    and has a single layer of boxes, less than one layer is left once their number is bounded, and
    the process ends with a division by zero.

    Args:
        heights: Distances between lattice planes, ``(crystals, 3)``, Å.
        counts: Atoms per crystal, ``(crystals,)``.
        expected: Pairs expected, ``(crystals,)``.
        cutoff: Å.
    """
    boxes = np.maximum(np.floor(heights / cutoff), 1.0)  # (crystals, 3)
    total = boxes.prod(axis=1)
    reach = np.ceil(cutoff * boxes / heights)  # boxes looked at on either side
    # An empty pair of boxes costs a visit, too, hence the 1 beside the pairs of atoms in it.
    trials = total * (2.0 * reach + 1.0).prod(axis=1) * (1.0 + (counts / total) ** 2)
    flat: NDArray[np.bool_] = trials > np.maximum(MOST_TRIALS, _WASTE * expected)
    for k in np.flatnonzero(total > _BOXES_TO_CHECK).tolist():
        # vesin's bound keeps the ratios of the three numbers and rounds each of them down, one
        # after the other: where one is below 1, no box is left.
        x, y, z = boxes[k].tolist()
        third = math.cbrt(_MOST_BOXES / ((x / y) * (y / z) ** 2))
        second = y / z * math.floor(third)
        fewest = min(third, second, x / y * math.floor(second))
        flat[k] |= fewest < 1.0 + _ROUNDING
    return flat


class _Buffer:
    """Collects pairs in arrays that at least double when full."""

    def __init__(self, *, capacity: int, lengths: bool) -> None:
        self.with_lengths = lengths
        self.used = 0
        self._allocate(max(capacity, 64))

    def extend(self, count: int) -> int:
        """Make room for pairs and return the row of the first."""
        start, self.used = self.used, self.used + count
        if self.used > len(self.atoms):
            atoms, shifts, lengths = self.atoms, self.shifts, self.lengths
            self._allocate(max(self.used, 2 * len(self.atoms)))
            self.atoms[:start] = atoms[:start]
            self.shifts[:start] = shifts[:start]
            if self.with_lengths:
                self.lengths[:start] = lengths[:start]
        return start

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
        # Looked up once: an array's ``ctypes`` builds objects at each access.
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
        # Without a copy the arrays are vesin's own, which the next search overwrites.
        pairs, shifts, *lengths = search.compute(
            points[first:last], box, True, quantities, copy=False
        )
        counts.append(len(pairs))
        start = buffer.extend(counts[-1])
        buffer.atoms[start : buffer.used], buffer.shifts[start : buffer.used] = pairs, shifts
        if buffer.with_lengths:
            (buffer.lengths[start : buffer.used],) = lengths
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
    pairs = _c_api.VesinNeighborList()
    point, box = points.ctypes.data, boxes.ctypes.data
    counts = []
    try:
        for first, last in pairwise(bounds):
            size = last - first
            if call(point, size, box, periodic, device, options, pairs, message):
                raise RuntimeError(f"vesin: {(message.value or b'').decode()}")
            counts.append(pairs.length)
            start = buffer.extend(pairs.length)
            atoms, shifts, lengths = buffer.addresses  # after extend, which may move the arrays
            # Bytes of a pair: two size_t, three int32, one double.
            ctypes.memmove(atoms + 16 * start, pairs.pairs, 16 * pairs.length)
            ctypes.memmove(shifts + 12 * start, pairs.shifts, 12 * pairs.length)
            if buffer.with_lengths:
                ctypes.memmove(lengths + 8 * start, pairs.distances, 8 * pairs.length)
            point, box = point + size * points.strides[0], box + boxes.strides[0]
    finally:
        free(pairs)
    return counts


_Library = tuple[Callable[..., int], Callable[..., None]]
"""vesin's search and its release of memory."""


@cache
def _library() -> _Library | None:
    """Return vesin's C functions; None where this module does not support them."""
    if _c_lib is None:
        return None
    library = _c_lib.get_library()
    if not _is_supported(_c_api, library):
        return None
    # A function object of our own, so that the wrapper's keeps its argument types.
    search = library["vesin_neighbors"]
    search.argtypes = [
        ctypes.c_void_p,  # addresses as plain integers: making typed pointers takes longer
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


def _is_supported(types: Any, library: Any) -> bool:
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
    # Indices are copied as they are into arrays of int64.
    wide = ctypes.sizeof(ctypes.c_size_t) == ctypes.sizeof(ctypes.c_int64)
    return fields == _FIELDS and arguments == expected and wide
