"""How one crystal is laid out in bytes. See ``docs/reference/store.md`` for the specification.

A record is a sequence of 8-byte words, little-endian::

    word 0        uint32 number of atoms, uint32 length of the id in bytes
    word 1        three bytes pbc, five bytes zero
    9 words       cell, row by row, float64, Å
    K words       labels of the crystal, float64, in the order of the store's targets
    3 n words     positions, float64, Å
    w n words     labels per atom, float64, one block per target
    n bytes       atomic numbers, then n bytes for each site property; together padded to a word
    id            UTF-8, padded to a word

Everything before the positions has the same size in every record of a store, so that the parts of
a whole batch are cut out and joined with a few calls, and no Python object per atom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray

from matsciml_core.errors import DataError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.targets import TargetInfo

WORD = 8
HEADER_WORDS = 2
CELL_WORDS = 9
_FLOAT, _SIZE = np.dtype("<f8"), np.dtype("<u4")
_DAMAGED = (
    "A record of the store is damaged: its length contradicts its header, or its id is not UTF-8; "
    "fetch or build the store again."
)


@dataclass(frozen=True)
class RecordLayout:
    """Encodes crystals into records and decodes many records into one batch."""

    targets: tuple[TargetInfo, ...]
    site_properties: tuple[str, ...] = ()
    """Names of the site properties that records hold."""

    @cached_property
    def crystal_targets(self) -> tuple[TargetInfo, ...]:
        """Labels with one value per crystal."""
        return tuple(info for info in self.targets if not info.per_atom)

    @cached_property
    def atom_targets(self) -> tuple[TargetInfo, ...]:
        """Labels with one value per atom."""
        return tuple(info for info in self.targets if info.per_atom)

    @cached_property
    def fixed_words(self) -> int:
        """Words before the positions."""
        return HEADER_WORDS + CELL_WORDS + sum(info.width for info in self.crystal_targets)

    @cached_property
    def words_per_atom(self) -> int:
        """Words of positions and labels per atom."""
        return 3 + sum(info.width for info in self.atom_targets)

    def encode(self, crystal: Crystal) -> bytes:
        """Return the record of a crystal; absent labels are stored as NaN.

        Raises:
            DataError: A label has the wrong number of values.
        """
        name = crystal.id.encode()
        header = np.array([crystal.num_atoms, len(name)], dtype="<u4").tobytes()
        pbc = bytes(crystal.pbc.astype(np.uint8)) + bytes(5)
        blocks = [crystal.cell, *(_values(crystal, info) for info in self.crystal_targets)]
        blocks += [crystal.positions, *(_values(crystal, info) for info in self.atom_targets)]
        floats = np.concatenate([block.ravel() for block in blocks]).astype("<f8").tobytes()
        numbers = [
            crystal.atomic_numbers,
            *(_site_property(crystal, name) for name in self.site_properties),
        ]
        kinds = b"".join(one.tobytes() for one in numbers)
        return header + pbc + floats + _pad(kinds) + _pad(name)

    def decode(self, records: Sequence[bytes]) -> CrystalBatch:
        """Return the batch of several records, float64, without edges.

        Args:
            records: At least one.

        Returns:
            The crystals in the order of the records.

        Raises:
            DataError: A record is not as long as its own header implies, or its id not UTF-8.
        """
        heads = self._heads(records)
        sizes = heads[:, :1].copy().view(_SIZE)  # (crystals, 2)
        pbc = heads[:, 1:2].copy().view(np.uint8)[:, :3] != 0
        cells = heads[:, HEADER_WORDS : HEADER_WORDS + CELL_WORDS].copy()
        bodies, numbers, ids = self._parts(records, *sizes.T.tolist())
        kinds = self._kinds(numbers)
        atoms = sizes[:, 0].astype(np.int64)
        return CrystalBatch(
            atomic_numbers=torch.from_numpy(kinds[0].astype(np.int64)),
            positions=torch.from_numpy(self._block(bodies, 0, 3)),
            cell=torch.from_numpy(cells.reshape(-1, 3, 3)),
            pbc=torch.from_numpy(pbc),
            crystal_index=torch.from_numpy(np.arange(len(records)).repeat(atoms)),
            atoms_per_crystal=torch.from_numpy(atoms),
            targets=self._labels(heads, bodies),
            target_info=self._info.copy(),
            site_properties={
                name: torch.from_numpy(rows.copy())
                for name, rows in zip(self.site_properties, kinds[1:], strict=True)
            },
            ids=ids,
        )

    @cached_property
    def _info(self) -> dict[str, TargetInfo]:
        return {info.name: info for info in (*self.crystal_targets, *self.atom_targets)}

    @cached_property
    def _columns(self) -> list[tuple[str, int, TargetInfo | None]]:
        """Labels per crystal: name, first word, and None for a plain number or else the label."""
        widths = [HEADER_WORDS + CELL_WORDS, *(info.width for info in self.crystal_targets)]
        starts = np.cumsum(widths).tolist()
        return [
            (info.name, at, info if info.is_class or info.shape else None)
            for info, at in zip(self.crystal_targets, starts, strict=False)
        ]

    @cached_property
    def _head(self) -> Callable[[bytes], bytes]:
        return itemgetter(slice(WORD * self.fixed_words))

    def _heads(self, records: Sequence[bytes]) -> NDArray[np.float64]:
        """Return the words before the positions, ``(crystals, words)``."""
        joined = b"".join(map(self._head, records))
        if len(joined) != len(records) * WORD * self.fixed_words:
            raise DataError(_DAMAGED)
        return np.frombuffer(joined, _FLOAT).reshape(len(records), -1)

    def _parts(
        self, records: Sequence[bytes], atoms: Sequence[int], id_lengths: Sequence[int]
    ) -> tuple[list[bytes], list[bytes], list[str]]:
        """Check the lengths of records, and return what follows the words before the positions.

        Args:
            records: The records.
            atoms: Number of atoms of each.
            id_lengths: Length of the id of each, bytes.

        Returns:
            The words per atom of each crystal, its bytes per atom, and the ids.
        """
        fixed, per_atom = WORD * self.fixed_words, WORD * self.words_per_atom
        bytes_per_atom = 1 + len(self.site_properties)
        bodies, numbers, ids = [], [], []
        try:
            for record, count, id_length in zip(records, atoms, id_lengths, strict=True):
                numbers_at = fixed + per_atom * count
                numbers_end = numbers_at + bytes_per_atom * count
                id_at = numbers_at + ((numbers_end - numbers_at + 7) & -8)  # whole words
                if len(record) != id_at + ((id_length + 7) & -8):
                    raise DataError(_DAMAGED)
                bodies.append(record[fixed:numbers_at])
                numbers.append(record[numbers_at:numbers_end])
                ids.append(record[id_at : id_at + id_length].decode())
        except UnicodeDecodeError as error:
            raise DataError(_DAMAGED) from error
        return bodies, numbers, ids

    def _kinds(self, numbers: Sequence[bytes]) -> list[NDArray[np.uint8]]:
        """Return atomic numbers, then the site properties, each ``(atoms,)``."""
        whole = 1 + len(self.site_properties)
        if whole == 1:
            return [np.frombuffer(b"".join(numbers), np.uint8)]
        parts = [
            [one[len(one) // whole * k :][: len(one) // whole] for one in numbers]
            for k in range(whole)
        ]
        return [np.frombuffer(b"".join(part), np.uint8) for part in parts]

    def _block(self, bodies: Sequence[bytes], column: int, width: int) -> NDArray[np.float64]:
        """Return one block of words per atom, ``(atoms, width)``.

        Args:
            bodies: The words per atom of each crystal.
            column: Words per atom that precede the block.
            width: Words per atom in the block.
        """
        whole = self.words_per_atom
        if width < whole:
            bodies = [
                body[len(body) // whole * column : len(body) // whole * (column + width)]
                for body in bodies
            ]
        return np.frombuffer(bytearray().join(bodies), _FLOAT).reshape(-1, width)

    def _labels(
        self, heads: NDArray[np.float64], bodies: Sequence[bytes]
    ) -> dict[str, torch.Tensor]:
        labels: dict[str, torch.Tensor] = {}
        rows = heads.T.copy()  # (words, crystals)
        for name, at, info in self._columns:
            if info is None:
                labels[name] = torch.from_numpy(rows[at])
            else:
                labels[name] = _label_tensor(rows[at : at + info.width].T, info)
        column = 3
        for info in self.atom_targets:
            values = self._block(bodies, column, info.width)
            labels[info.name] = _label_tensor(values, info)
            column += info.width
        return labels


def _values(crystal: Crystal, info: TargetInfo) -> NDArray[np.float64]:
    size = info.width * (crystal.num_atoms if info.per_atom else 1)
    value = crystal.labels.get(info.name)
    if value is None:
        return np.full(size, np.nan)
    array = np.asarray(value, dtype=np.float64)
    if array.size != size:
        raise DataError(
            f"Label '{info.name}' of crystal '{crystal.id}' has {array.size} values; it needs "
            f"{size} ({'per atom' if info.per_atom else 'per crystal'}: {info.width})."
        )
    if info.is_class:
        return np.where(array < 0, np.nan, array)
    return array


def _site_property(crystal: Crystal, name: str) -> NDArray[np.uint8]:
    values = crystal.site_properties.get(name)
    return np.zeros(crystal.num_atoms, dtype=np.uint8) if values is None else values


def _label_tensor(values: NDArray[np.float64], info: TargetInfo) -> torch.Tensor:
    """Return values, ``(rows, width)``, in the label's own shape and type."""
    values = np.ascontiguousarray(values).reshape(len(values), *info.shape)
    if info.is_class:
        # fmax prefers the number where one of two is NaN, so that missing becomes −1.
        return torch.from_numpy(np.fmax(values, info.missing).astype(np.int64))
    return torch.from_numpy(values)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % WORD)
