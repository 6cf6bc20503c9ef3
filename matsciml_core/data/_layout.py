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

    def decode(self, records: Sequence[bytes]) -> CrystalBatch:
        """Return the batch of several records, float64, without edges.

        Args:
            records: At least one.

        Returns:
            The crystals in the order of the records.

        Raises:
            DataError: A record is not as long as its own header implies.
        """
        joined = _Joined(records, self._columns.index, self.fixed_words, self.words_per_atom)
        fixed = joined.fixed
        cells = fixed[HEADER_WORDS : HEADER_WORDS + CELL_WORDS].T
        pbc = fixed[1].view(np.uint8).reshape(-1, WORD)[:, :3] != 0
        return CrystalBatch(
            atomic_numbers=torch.from_numpy(joined.atomic_numbers()),
            positions=torch.from_numpy(joined.per_atom(0, 3).reshape(-1, 3)),
            cell=torch.from_numpy(np.ascontiguousarray(cells).reshape(-1, 3, 3)),
            pbc=torch.from_numpy(pbc),
            crystal_index=torch.from_numpy(joined.crystal),
            atoms_per_crystal=torch.from_numpy(joined.atoms),
            targets=self._labels(joined),
            target_info=self._info.copy(),
            ids=joined.ids(),
        )

    @cached_property
    def _info(self) -> dict[str, TargetInfo]:
        return {info.name: info for info in (*self.crystal_targets, *self.atom_targets)}

    @cached_property
    def _columns(self) -> _Columns:
        return _Columns(self.crystal_targets)

    def _labels(self, joined: _Joined) -> dict[str, torch.Tensor]:
        columns = self._columns
        numbers = joined.fixed[columns.numbers]  # (labels, crystals)
        found: dict[str, torch.Tensor] = dict.fromkeys(self._info)  # in the declared order
        found.update(zip(columns.number_names, map(torch.from_numpy, numbers), strict=True))
        if columns.class_names:
            classes = _as_classes(joined.fixed[columns.classes])
            found.update(zip(columns.class_names, map(torch.from_numpy, classes), strict=True))
        for info, rows in columns.wide:
            found[info.name] = _label_tensor(np.ascontiguousarray(joined.fixed[rows].T), info)
        column = 3
        for info in self.atom_targets:
            block = joined.per_atom(column, info.width).reshape(-1, info.width)
            found[info.name] = _label_tensor(block, info)
            column += info.width
        return found


class _Columns:
    """The order in which the words before the positions are gathered: labels of a type together.

    Args:
        targets: The labels per crystal, in the order in which they are stored.
    """

    def __init__(self, targets: Sequence[TargetInfo]) -> None:
        """Sort the labels."""
        head = HEADER_WORDS + CELL_WORDS
        ends = np.cumsum([head, *(info.width for info in targets)]).tolist()
        single = [(at, info) for at, info in zip(ends, targets, strict=False) if info.width == 1]
        numbers = [(at, info.name) for at, info in single if not info.is_class]
        classes = [(at, info.name) for at, info in single if info.is_class]
        order = [*range(head), *(at for at, _ in numbers), *(at for at, _ in classes)]
        self.number_names = [name for _, name in numbers]
        self.numbers = slice(head, head + len(numbers))
        self.class_names = [name for _, name in classes]
        self.classes = slice(head + len(numbers), len(order))
        self.wide: list[tuple[TargetInfo, slice]] = []
        for at, info in zip(ends, targets, strict=False):
            if info.width > 1:
                self.wide.append((info, slice(len(order), len(order) + info.width)))
                order += range(at, at + info.width)
        self.index = np.array(order)[:, None]
        """Words of a record, ``(words, 1)``."""


class _Joined:
    """Records laid end to end, and where their parts begin.

    Args:
        records: At least one.
        columns: Words to gather into :attr:`fixed`, ``(words, 1)``, the header first.
        fixed: Words before the positions.
        per_atom: Words of positions and labels per atom.

    Raises:
        DataError: A record is not as long as its own header implies.
    """

    def __init__(
        self, records: Sequence[bytes], columns: NDArray[np.int64], fixed: int, per_atom: int
    ) -> None:
        """Find the parts; all places are counted in words from the first record."""
        self.data = b"".join(records)
        self.words = np.frombuffer(self.data, "<f8", len(self.data) // WORD)
        lengths = np.fromiter(map(len, records), np.int64, len(records)) // WORD
        ends = lengths.cumsum()
        starts = ends - lengths
        if WORD * ends[-1] != len(self.data) or starts[-1] + fixed > ends[-1]:
            raise DataError(_DAMAGED)
        self.fixed = self.words[starts + columns]
        """``(words, crystals)``, in the order of ``columns``."""
        sizes = self.fixed[0].view("<u4").reshape(-1, 2).astype(np.int64)
        padded = (sizes + (WORD - 1)) // WORD
        self.atoms = sizes[:, 0].copy()
        self.positions_at = starts + fixed
        self.numbers_at = self.positions_at + per_atom * self.atoms
        self.ids_at = self.numbers_at + padded[:, 0]
        self.id_lengths = sizes[:, 1]
        if (self.ids_at + padded[:, 1] != ends).any():
            raise DataError(_DAMAGED)
        self.first_atoms = self.atoms.cumsum() - self.atoms
        self.crystal = np.arange(len(records)).repeat(self.atoms)

    def per_atom(self, column: int, width: int) -> NDArray[np.float64]:
        """Return one block of each record, its words one after the other.

        Args:
            column: Words per atom that precede the block.
            width: Words per atom in the block.
        """
        shift = self.positions_at + column * self.atoms - width * self.first_atoms
        place = shift.repeat(width * self.atoms)
        place += np.arange(len(place))
        return self.words[place]

    def atomic_numbers(self) -> NDArray[np.int64]:
        """Return the atomic numbers, ``(atoms,)``."""
        place = (WORD * self.numbers_at - self.first_atoms)[self.crystal]
        place += np.arange(len(place))
        return np.frombuffer(self.data, np.uint8)[place].astype(np.int64)

    def ids(self) -> list[str]:
        """Return the ids of the crystals."""
        first = WORD * self.ids_at
        bounds = zip(first.tolist(), (first + self.id_lengths).tolist(), strict=True)
        return [self.data[start:end].decode() for start, end in bounds]


_DAMAGED = (
    "A record of the store is damaged: its length contradicts its header; fetch or build the "
    "store again."
)


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
    if info.kind == "stress":
        return torch.from_numpy(block.reshape(-1, 3, 3))
    values = block[:, 0] if info.width == 1 else block
    return torch.from_numpy(_as_classes(values) if info.is_class else values)


def _as_classes(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isnan(values), -1, values).astype(np.int64)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % WORD)
