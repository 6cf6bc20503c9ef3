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

Everything before the positions has the same size in every record of a store, which is what lets
a whole batch be decoded with a handful of NumPy calls and no Python object per crystal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from matsciml_core.errors import DataError
from matsciml_core.interfaces.crystal import Crystal, CrystalBatch
from matsciml_core.registry.specs import TargetInfo

WORD = 8
HEADER_WORDS = 2
CELL_WORDS = 9


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

    def decode(self, values: Sequence[bytes | memoryview]) -> CrystalBatch:
        """Return the batch of several records, float64, without edges.

        Args:
            values: Records, at least one.

        Returns:
            The crystals in the order of the records.
        """
        joined = b"".join(values)
        words = np.frombuffer(joined, dtype="<f8")
        octets = np.frombuffer(joined, dtype=np.uint8)
        lengths = np.fromiter(map(len, values), dtype=np.int64, count=len(values)) // WORD
        start = _exclusive_cumsum(lengths)
        atoms = np.frombuffer(joined, dtype="<u4")[2 * start].astype(np.int64)
        id_lengths = np.frombuffer(joined, dtype="<u4")[2 * start + 1]

        fixed = words[start[:, None] + np.arange(HEADER_WORDS, self.fixed_words)]
        per_atom = start + self.fixed_words
        numbers_at = WORD * (per_atom + self.words_per_atom * atoms)
        ids_at = numbers_at + -(-atoms // WORD) * WORD
        atoms_tensor = torch.from_numpy(atoms)
        return CrystalBatch(
            atomic_numbers=torch.from_numpy(octets[_ranges(numbers_at, atoms)].astype(np.int64)),
            positions=torch.from_numpy(words[_ranges(per_atom, 3 * atoms)].reshape(-1, 3)),
            cell=torch.from_numpy(fixed[:, :CELL_WORDS].reshape(-1, 3, 3)),
            pbc=torch.from_numpy(octets[WORD * (start[:, None] + 1) + np.arange(3)] != 0),
            crystal_index=torch.repeat_interleave(torch.arange(len(values)), atoms_tensor),
            atoms_per_crystal=atoms_tensor,
            targets=self._crystal_labels(fixed) | self._atom_labels(words, per_atom, atoms),
            target_info={info.name: info for info in self.targets},
            ids=[
                joined[at : at + length].decode()
                for at, length in zip(ids_at.tolist(), id_lengths.tolist(), strict=True)
            ],
        )

    def _crystal_labels(self, fixed: NDArray[np.float64]) -> dict[str, torch.Tensor]:
        labels, column = {}, CELL_WORDS
        for info in self.crystal_targets:
            block = fixed[:, column : column + info.width]
            labels[info.name] = _label_tensor(block, info)
            column += info.width
        return labels

    def _atom_labels(
        self, words: NDArray[np.float64], start: NDArray[np.int64], atoms: NDArray[np.int64]
    ) -> dict[str, torch.Tensor]:
        labels, offset = {}, 3
        for info in self.atom_targets:
            block = words[_ranges(start + offset * atoms, info.width * atoms)]
            labels[info.name] = _label_tensor(block.reshape(-1, info.width), info)
            offset += info.width
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


def _label_tensor(block: NDArray[np.float64], info: TargetInfo) -> torch.Tensor:
    """Return ``(rows, width)`` values in the label's own shape and type."""
    values = np.ascontiguousarray(block)
    if info.kind == "stress":
        return torch.from_numpy(values.reshape(-1, 3, 3))
    if info.width == 1:
        values = values[:, 0]
    if info.is_class:
        values = np.where(np.isnan(values), -1, values).astype(np.int64)
    return torch.from_numpy(values)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % WORD)


def _exclusive_cumsum(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(lengths)[:-1]))


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``start, start + 1, …`` of each range, one range after the other."""
    shift = np.repeat(starts - _exclusive_cumsum(lengths), lengths)
    return shift + np.arange(len(shift))
