"""The dataset under test, with the samples that its checks share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.registry.specs import DatasetSpec
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.checks import Broken
from matsciml_core.testing.subject import Subject

SAMPLE = 200
"""Crystals that are looked at one by one."""
LABEL_SAMPLE = 5000
"""Crystals whose labels are read."""
_CHUNK = 500


@dataclass
class DatasetSubject(Subject):
    """A dataset under test."""

    reads_files = True

    @property
    def declared(self) -> DatasetSpec:
        """What the plugin declares."""
        if not isinstance(self.spec, DatasetSpec):
            raise TypeError(f"'{self.spec.name}' is of the kind {self.spec.kind}, not dataset.")
        return self.spec

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset."""
        return self.build()

    def build(self) -> Dataset:
        """Return a new instance."""
        dataset = self.component(self.config)
        if not isinstance(dataset, Dataset):
            raise Broken(f"{self.component.__name__} is not a subclass of Dataset.")
        return dataset

    def prepare(self) -> None:
        """Build the dataset."""
        _ = self.dataset

    @cached_property
    def targets(self) -> dict[str, TargetInfo]:
        """The labels that the dataset itself declares."""
        return self.dataset.targets

    @cached_property
    def ids(self) -> list[str]:
        """The dataset's ids."""
        return list(self.dataset.ids)

    @property
    def sample_indices(self) -> list[int]:
        """Indices spread evenly over the dataset, the first and the last one included."""
        return self._spread(SAMPLE // 4 if self.quick else SAMPLE)

    @cached_property
    def sample(self) -> list[Crystal]:
        """Crystals spread evenly over the dataset."""
        return [self.dataset[index] for index in self.sample_indices]

    @cached_property
    def labels(self) -> dict[str, Tensor]:
        """Labels of many crystals, one after the other, by name."""
        indices = self._spread(SAMPLE if self.quick else LABEL_SAMPLE)
        chunks = [
            self.dataset.__getitems__(indices[first : first + _CHUNK]).targets
            for first in range(0, len(indices), _CHUNK)
        ]
        return {name: torch.cat([chunk[name] for chunk in chunks]) for name in self.targets}

    def present(self, info: TargetInfo) -> Tensor:
        """Return the values of a label that are not missing, in one dimension."""
        values = self.labels[info.name].flatten()
        return values[values >= 0] if info.is_class else values[~torch.isnan(values)]

    def _spread(self, number: int) -> list[int]:
        size = len(self.dataset)
        if not size:
            raise Broken("The dataset is empty.", measured="0 crystals")
        places = np.linspace(0, size - 1, min(number, size)).round().astype(int)
        return [int(place) for place in np.unique(places)]


def first_difference(found: CrystalBatch, expected: CrystalBatch) -> str | None:
    """Return the name of the first field in which two batches differ; None where they agree."""
    names = ("atomic_numbers", "positions", "cell", "pbc", "crystal_index", "atoms_per_crystal")
    for name in names:
        if not same_values(getattr(found, name), getattr(expected, name)):
            return name
    if list(found.ids) != list(expected.ids):
        return "ids"
    if found.targets.keys() != expected.targets.keys():
        return "targets"
    if found.site_properties.keys() != expected.site_properties.keys():
        return "site_properties"
    for group in ("targets", "site_properties"):
        for name, values in getattr(expected, group).items():
            if not same_values(getattr(found, group)[name], values):
                return f"{group}['{name}']"
    return None


def same_values(found: Tensor, expected: Tensor) -> bool:
    """Return whether type, shape and every value agree, NaN counting as equal to NaN.

    Args:
        found: The field of a batch, any shape, in its unit.
        expected: The same of another batch, same shape and unit.
    """
    same_form = found.dtype == expected.dtype and found.shape == expected.shape
    return same_form and torch.allclose(found, expected, rtol=0.0, atol=0.0, equal_nan=True)
