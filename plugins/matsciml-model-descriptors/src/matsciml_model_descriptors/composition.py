"""What a crystal is made of: statistics of the descriptors of its elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from matsciml_core import CrystalBatch
from matsciml_core.nn.segments import Segments, segment_gather, segment_sum


@dataclass(frozen=True)
class Composition:
    """The elements of each crystal of a batch, each once, with its share of the atoms.

    Statistics over the few elements of a crystal take a fraction of the time of those over its
    atoms, and are the same for every supercell.
    """

    numbers: Tensor
    """Atomic number of each element, ``(entries,)`` int64, ascending within each crystal."""
    share: Tensor
    """Its share of the atoms, ``(entries, 1)``, dimensionless."""
    crystals: Segments
    """The entries of each crystal."""

    @classmethod
    def of(cls, batch: CrystalBatch, rows: int) -> Self:
        """Count the elements of a batch.

        Args:
            batch: The crystals.
            rows: Number of atomic numbers, 0 included.
        """
        cells = batch.crystal_index * rows + batch.atomic_numbers
        counts = torch.bincount(cells, minlength=batch.num_crystals * rows)
        entries = counts.nonzero().squeeze(1)  # ascending: by crystal, then by number
        crystal = entries // rows
        atoms = batch.atoms_per_crystal.index_select(0, crystal)
        share = counts.index_select(0, entries).to(batch.positions.dtype) / atoms
        lengths = torch.bincount(crystal, minlength=batch.num_crystals)
        return cls(entries % rows, share.unsqueeze(1), Segments(crystal, lengths))

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the atoms of each crystal.

        Args:
            values: Of each entry, ``(entries, columns)``, in any unit.

        Returns:
            ``(crystals, columns)``, in the unit of ``values``.
        """
        return segment_sum(self.share * values, self.crystals)

    def statistics(self, table: Tensor) -> dict[str, Tensor]:
        """Return the statistics of a table of elements, each ``(crystals, columns)``.

        ``mean`` is m = Σ f_k t_k over elements with the shares f_k, ``deviation`` is
        Σ f_k |t_k − m|, both as in Ward et al. (2016). ``min``, ``max`` and ``range`` do not see
        the shares.

        Args:
            table: A row for each atomic number, ``(119, columns)``, dimensionless.
        """
        values = table.index_select(0, self.numbers)  # (entries, columns)
        mean = self.mean(values)
        lengths = self.crystals.lengths
        lowest = torch.segment_reduce(values, "min", lengths=lengths)
        highest = torch.segment_reduce(values, "max", lengths=lengths)
        return {
            "mean": mean,
            "deviation": self.mean((values - segment_gather(mean, self.crystals)).abs()),
            "min": lowest,
            "max": highest,
            "range": highest - lowest,
        }

    def abundances(self) -> Tensor:
        """Return how evenly the elements share the atoms, ``(crystals, 4)``, dimensionless.

        The number of elements, and the p-norms (Σ f_k^p)^(1/p) of the shares for p = 2, 3 and 5.
        """
        ones = torch.ones_like(self.share)
        norms = [segment_sum(self.share**p, self.crystals) ** (1.0 / p) for p in (2, 3, 5)]
        return torch.cat([segment_sum(ones, self.crystals), *norms], dim=1)
