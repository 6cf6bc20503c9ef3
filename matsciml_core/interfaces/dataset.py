"""The Dataset interface: an ordered, finite map from index to crystal, with declared labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.split import Split, random_split
from matsciml_core.interfaces.symmetry import Orbits
from matsciml_core.registry.specs import DatasetSpec, Reference
from matsciml_core.registry.targets import TargetInfo

if TYPE_CHECKING:
    from matsciml_core.interfaces.config import Config


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a dataset comes from; written into every run that uses it."""

    source: str
    """Name and address of the source, for people."""
    release: str = ""
    """Release, version or date of the source."""
    licence: str = ""
    references: tuple[Reference, ...] = field(default=())
    content_hash: str = ""
    """SHA-256 of the stored records, in order; empty for data generated on the fly."""

    @classmethod
    def from_spec(cls, spec: DatasetSpec, release: str = "") -> Self:
        """Return what a dataset declares of its origin.

        Args:
            spec: The declaration.
            release: Release, version or date of what is at hand.
        """
        return cls(
            source=spec.source, release=release, licence=spec.licence, references=spec.references
        )


class Dataset(ABC):
    """A dataset D: index → crystal, for 0 ≤ index < len(D).

    By contract the order is deterministic, ids are unique, every label has the declared kind
    and unit, a missing label is absent (NaN, or −1 for a class, once batched) and never zero,
    positions are Cartesian in Å, and the object can be sent to worker processes.

    A subclass implements :attr:`targets`, :attr:`provenance`, ``__len__`` and ``__getitem__``;
    :meth:`__getitems__`, :attr:`ids` and :meth:`split` have defaults that a faster source
    overrides (``matsciml_core.data.StoreDataset`` does).
    """

    def __init__(self, config: Config | None = None) -> None:
        """Keep the settings; a subclass opens its source here, or lazily."""
        self.config = config

    @property
    @abstractmethod
    def targets(self) -> dict[str, TargetInfo]:
        """The labels on offer, by name."""

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """Source, release, licence and citations."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of crystals."""

    @abstractmethod
    def __getitem__(self, index: int) -> Crystal:
        """Return one crystal.

        Raises:
            IndexError: ``index`` is not in [0, len).
        """

    def __getitems__(self, indices: Sequence[int]) -> CrystalBatch:
        """Return several crystals as one float64 batch without edges, in the order asked for."""
        return CrystalBatch.from_crystals([self[int(i)] for i in indices], self.targets)

    def orbits(self, indices: Sequence[int], symprec: float) -> list[Orbits] | None:
        """Return the symmetry of several crystals, where it is kept with the data.

        Args:
            indices: Of crystals.
            symprec: The tolerance it must have been found with, Å.

        Returns:
            One per crystal; None, the default: it is not kept, and is found when needed.
        """
        return None

    @property
    def ids(self) -> list[str]:
        """The crystals' ids, in order; the default reads every crystal."""
        return [self[i].id for i in range(len(self))]

    @property
    def atoms_per_crystal(self) -> NDArray[np.int64]:
        """Number of atoms of each crystal, ``(crystals,)``; the default reads every crystal."""
        return np.array([self[i].num_atoms for i in range(len(self))], dtype=np.int64)

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits on offer; the first one is the default."""
        return ("random",)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a partition of the ids into ``train``, ``validation`` and ``test``.

        The default is a random 80/10/10 split over the sorted ids.

        Args:
            name: One of :attr:`split_names`, or the path of a split file; None: the first.
            seed: Seed of the shuffle.

        Returns:
            The split, which knows its algorithm, seed and hash.

        Raises:
            ConfigError: There is no split of that name.
            SplitError: The file is no split.
        """
        if name is not None and name.endswith(".json"):
            return Split.load(name)
        self._check_split_name(name)
        return random_split(self.ids, seed=seed)

    def _check_split_name(self, name: str | None) -> str:
        if name is None:
            return self.split_names[0]
        if name not in self.split_names:
            raise ConfigError(
                f"There is no split '{name}'.{did_you_mean(name, self.split_names)}"
                f" Splits: {', '.join(self.split_names)}."
            )
        return name
