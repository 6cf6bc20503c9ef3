"""How one crystal is laid out in bytes. See ``docs/reference/store.md`` for the specification.

A record is a sequence of 8-byte words, little-endian::

    word 0        uint32 number of atoms, uint32 length of the id in bytes
    word 1        three bytes pbc, five bytes zero
    9 words       cell, row by row, float64, Å
    K words       labels of the crystal, float64, in the order of the store's targets
    3 n words     positions, float64, Å
    w n words     labels per atom, float64, one block per target
    n bytes       atomic numbers, padded to a word
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
from matsciml_core.interfaces.crystal import Crystal, CrystalBatch
from matsciml_core.registry.specs import TargetInfo

WORD = 8
HEADER_WORDS = 2
CELL_WORDS = 9
_FLOAT, _SIZE = np.dtype("<f8"), np.dtype("<u4")
_SIZES = itemgetter(slice(0, WORD))
_PBC = itemgetter(slice(WORD, WORD + 3))
_CELL = itemgetter(slice(HEADER_WORDS * WORD, (HEADER_WORDS + CELL_WORDS) * WORD))
_DAMAGED = (
    "A record of the store is damaged: its length contradicts its header, or its id is not UTF-8; "
    "fetch or build the store again."
)


@dataclass(frozen=True)
class RecordLayout:
    """Encodes crystals into records and decodes many records into one batch."""

    targets: tuple[TargetInfo, ...]

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
        return header + pbc + floats + _pad(crystal.atomic_numbers.tobytes()) + _pad(name)

    def decode(self, records: Sequence[bytes]) -> CrystalBatch:
        """Return the batch of several records, float64, without edges.

        Args:
            records: At least one.

        Returns:
            The crystals in the order of the records.

        Raises:
            DataError: A record is not as long as its own header implies, or its id not UTF-8.
        """
        if min(map(len, records)) < WORD * self.fixed_words:
            raise DataError(_DAMAGED)
        sizes = np.frombuffer(_cut(records, _SIZES), _SIZE).reshape(-1, 2)
        counts = sizes[:, 0].tolist()
        numbers, ids = self._tails(records, counts, sizes[:, 1].tolist())
        atoms = sizes[:, 0].astype(np.int64)
        pbc = np.frombuffer(_cut(records, _PBC), np.uint8) != 0
        cells = np.frombuffer(_cut(records, _CELL), _FLOAT)
        return CrystalBatch(
            atomic_numbers=torch.from_numpy(numbers.astype(np.int64)),
            positions=torch.from_numpy(self._per_atom(records, counts, 0, 3)),
            cell=torch.from_numpy(cells.reshape(-1, 3, 3)),
            pbc=torch.from_numpy(pbc.reshape(-1, 3)),
            crystal_index=torch.from_numpy(np.arange(len(records)).repeat(atoms)),
            atoms_per_crystal=torch.from_numpy(atoms),
            targets=self._labels(records, counts),
            target_info=self._info.copy(),
            ids=ids,
        )

    @cached_property
    def _info(self) -> dict[str, TargetInfo]:
        return {info.name: info for info in (*self.crystal_targets, *self.atom_targets)}

    @cached_property
    def _columns(self) -> list[tuple[TargetInfo, int, bool]]:
        """Labels per crystal, the first word of each among label words, and whether it has one."""
        ends = np.cumsum([info.width for info in self.crystal_targets], dtype=np.int64).tolist()
        return [
            (info, end - info.width, info.width == 1)
            for info, end in zip(self.crystal_targets, ends, strict=True)
        ]

    @cached_property
    def _label_words(self) -> Callable[[bytes], bytes]:
        return itemgetter(slice(WORD * (HEADER_WORDS + CELL_WORDS), WORD * self.fixed_words))

    def _tails(
        self, records: Sequence[bytes], counts: Sequence[int], id_lengths: Sequence[int]
    ) -> tuple[NDArray[np.uint8], list[str]]:
        """Check the lengths of records, and return the atomic numbers and ids behind the words."""
        fixed, per_atom = WORD * self.fixed_words, WORD * self.words_per_atom
        numbers, ids = [], []
        for record, count, id_length in zip(records, counts, id_lengths, strict=True):
            numbers_at = fixed + per_atom * count
            id_at = numbers_at + ((count + 7) & -8)  # whole words
            if len(record) != id_at + ((id_length + 7) & -8):
                raise DataError(_DAMAGED)
            numbers.append(record[numbers_at : numbers_at + count])
            ids.append(record[id_at : id_at + id_length])
        try:
            names = [name.decode() for name in ids]
        except UnicodeDecodeError as error:
            raise DataError(_DAMAGED) from error
        return np.frombuffer(b"".join(numbers), np.uint8), names

    def _per_atom(
        self, records: Sequence[bytes], counts: Sequence[int], column: int, width: int
    ) -> NDArray[np.float64]:
        """Return one block of each record, ``(atoms, width)``.

        Args:
            records: The records.
            counts: Atoms of each.
            column: Words per atom that precede the block.
            width: Words per atom in the block.
        """
        fixed, first, last = WORD * self.fixed_words, WORD * column, WORD * (column + width)
        parts = [
            record[fixed + first * count : fixed + last * count]
            for record, count in zip(records, counts, strict=True)
        ]
        return np.frombuffer(bytearray().join(parts), _FLOAT).reshape(-1, width)

    def _labels(self, records: Sequence[bytes], counts: Sequence[int]) -> dict[str, torch.Tensor]:
        labels: dict[str, torch.Tensor] = {}
        if self.crystal_targets:
            block = np.frombuffer(_cut(records, self._label_words), _FLOAT)
            rows = np.ascontiguousarray(block.reshape(len(records), -1).T)  # (words, crystals)
            for info, at, single in self._columns:
                values = rows[at] if single else rows[at : at + info.width].T
                labels[info.name] = _label_tensor(values, info)
        column = 3
        for info in self.atom_targets:
            values = self._per_atom(records, counts, column, info.width)
            labels[info.name] = _label_tensor(values if info.width > 1 else values[:, 0], info)
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


def _label_tensor(values: NDArray[np.float64], info: TargetInfo) -> torch.Tensor:
    """Return values, one row per crystal or atom, in the label's own shape and type."""
    if info.is_class:
        # fmax prefers the number where one of two is NaN, so that missing becomes −1.
        return torch.from_numpy(np.fmax(values, -1.0).astype(np.int64))
    if info.kind == "stress":
        values = np.ascontiguousarray(values).reshape(-1, 3, 3)
    return torch.from_numpy(values)


def _cut(records: Sequence[bytes], part: Callable[[bytes], bytes]) -> bytearray:
    """Return the same part of every record, one after the other, in memory that may be written."""
    return bytearray().join(map(part, records))


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % WORD)
