"""The symmetry of a store's crystals, found once and kept beside the records.

``symmetry.bin`` holds little-endian arrays, one after the other: ``(crystals + 1,)`` uint64, where
the atoms of each crystal begin; and the fields of :class:`Orbits`, each for all atoms of the
store: ``(atoms,)`` uint32, ``(atoms, 3, 3)`` int8, ``(atoms, 3, 3)`` int16, ``(atoms,)`` int16. The
store's index names the file, the tolerance it was made with, and its SHA-256.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.store.crystal_store import INDEX_FILE, CrystalStore
from matsciml_core.data.symmetry.orbits import SYMPREC, orbits_of
from matsciml_core.errors import DataError
from matsciml_core.files import write_json, write_whole
from matsciml_core.guarded import read_json
from matsciml_core.interfaces.symmetry import Orbits

SYMMETRY_FILE = "symmetry.bin"
_OFFSET = np.dtype("<u8")
_FIELDS: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
    "representative": (np.dtype("<u4"), ()),
    "rotation": (np.dtype("i1"), (3, 3)),
    "site_sum": (np.dtype("<i2"), (3, 3)),
    "site_order": (np.dtype("<i2"), ()),
}
"""Type and shape per atom of each field, in the order of the file."""


class StoredOrbits:
    """Reads the symmetry that lies beside a store; the file is mapped, not read.

    Args:
        folder: The store's folder.
        entry: What the store's index says about the file.

    Raises:
        DataError: The file is missing or has the wrong length.
    """

    def __init__(self, folder: Path, entry: dict[str, Any]) -> None:
        """Map the file."""
        self._made_from = folder, entry
        self.symprec: float = entry["symprec"]
        path = folder / entry["file"]
        crystals, atoms = entry["crystals"], entry["atoms"]
        try:
            per_atom = sum(kind.itemsize * math.prod(shape) for kind, shape in _FIELDS.values())
            # Checked beforehand: a map of a file that is too short ends the process when read.
            if path.stat().st_size != (crystals + 1) * _OFFSET.itemsize + atoms * per_atom:
                raise DataError(
                    f"'{path}' is incomplete; fetch or build the store again, or remove the "
                    f"entry 'symmetry' from its {INDEX_FILE}."
                )
            # As a plain array: slices of a memmap are memmaps, and take ten times as long to make.
            data = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        except OSError as error:
            raise DataError(f"'{path}' cannot be read: {error.strerror}.") from error
        end = (crystals + 1) * _OFFSET.itemsize
        self._offsets = data[:end].view(_OFFSET)
        self._fields = []
        for kind, shape in _FIELDS.values():
            start, end = end, end + atoms * kind.itemsize * math.prod(shape)
            self._fields.append(data[start:end].view(kind).reshape(atoms, *shape))

    def __reduce__(self) -> tuple[type[StoredOrbits], tuple[Path, dict[str, Any]]]:
        """Send the file's name to other processes, not its contents."""
        return StoredOrbits, self._made_from

    def __call__(self, indices: Sequence[int] | NDArray[np.int64]) -> list[Orbits]:
        """Return the orbits of several crystals."""
        bounds = ((int(self._offsets[k]), int(self._offsets[k + 1])) for k in indices)
        return [Orbits(*(field[first:last] for field in self._fields)) for first, last in bounds]


def write_symmetry(folder: str | os.PathLike[str], symprec: float = SYMPREC) -> float:
    """Find the symmetry of every crystal of a store and keep it beside the records.

    About 1 ms per crystal of 11 atoms. About 35 bytes per atom are held in memory.

    Args:
        folder: The store's folder.
        symprec: Tolerance, Å.

    Returns:
        Atoms per symmetry-distinct atom, over the whole store.
    """
    folder = Path(folder)
    batches = CrystalStore(folder).scan()
    orbits = [orbits_of(crystal, symprec) for batch in batches for crystal in batch.crystals()]
    offsets = np.cumsum([0, *(len(crystal.representative) for crystal in orbits)], dtype=_OFFSET)
    data = offsets.tobytes() + b"".join(
        np.concatenate([getattr(crystal, name) for crystal in orbits]).astype(kind).tobytes()
        for name, (kind, _) in _FIELDS.items()
    )
    # The file before the index that names it: a crash between them leaves a whole store.
    write_whole(folder / SYMMETRY_FILE, data)
    entry = {
        "file": SYMMETRY_FILE,
        "symprec": symprec,
        "crystals": len(orbits),
        "atoms": int(offsets[-1]),
        "content_hash": hashlib.sha256(data).hexdigest(),
        # Releases differ in which operations they find near the tolerance.
        "engine": f"moyopy {metadata.version('moyopy')}",
    }
    index = read_json(folder / INDEX_FILE) | {"symmetry": entry}
    write_json(folder / INDEX_FILE, index)
    distinct = sum(len(np.unique(crystal.representative)) for crystal in orbits)
    return float(offsets[-1]) / max(distinct, 1)
