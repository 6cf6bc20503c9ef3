"""The Materials Project as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matsciml_core import CrystalBatch, Split, TargetInfo
from matsciml_core.data.store.store_dataset import COMPOSITION, RANDOM, StoreDataset
from matsciml_data_mp.config import MPConfig
from matsciml_data_mp.declaration import declare
from matsciml_data_mp.logarithms import LOGARITHMS, add_logarithms
from matsciml_data_mp.splits import PAPER_SIZES, paper_sizes_split
from matsciml_data_mp.stores import MINI, find_release

_PACKAGE = Path(__file__).parent
_INSTALLED = (_PACKAGE / "mini", _PACKAGE / "splits")
"""Store and splits of ``mini``."""


class MaterialsProject(StoreDataset):
    """Crystals of the Materials Project with computed labels.

    A crystal carries the labels that its source had; the others are missing. ``mini`` is in the
    order of material ids, a release in that of its source.

    Args:
        config: Which crystals to serve; None: all of ``mini``.

    Raises:
        DataError: The release is not on this machine, or its store is damaged.
    """

    def __init__(self, config: MPConfig | None = None) -> None:
        """Open the store and select the crystals."""
        settings = MPConfig() if config is None else config
        self._installed = settings.release == MINI
        folder, splits = _INSTALLED if self._installed else (find_release(settings.release), None)
        super().__init__(folder, settings, splits)
        self._selected = settings.max_atoms is not None
        self.keep_up_to(settings.max_atoms)

    @property
    def targets(self) -> dict[str, TargetInfo]:
        """The labels of the store, and the logarithms that are made of them."""
        stored = super().targets
        declared = {info.name: info for info in declare("mini").targets}
        derived = {name: declared[name] for name, of in LOGARITHMS.items() if of in stored}
        return stored | derived

    def __getitems__(self, indices: Sequence[int]) -> CrystalBatch:
        """Return several crystals as one float64 batch without edges."""
        return add_logarithms(super().__getitems__(indices), self.targets)

    @property
    def split_names(self) -> tuple[str, ...]:
        """Of ``mini``: what is shipped, then ``random``; of a release, ``paper-sizes`` first."""
        if self._installed:
            return super().split_names
        return (PAPER_SIZES, COMPOSITION, RANDOM)

    def split(self, name: str | None = None, seed: int = 0) -> Split:
        """Return a split.

        Of a release, ``paper-sizes`` is 70/20/10, stratified by the families of the published
        split; ``composition`` is 80/10/10 and keeps a composition in one subset, so that polymorphs
        do not leak.

        Args:
            name: One of :attr:`split_names`, or the path of a split file; None: the default.
            seed: Seed of the shuffle; of ``stratified``, which is shipped, it has no effect.

        Raises:
            ConfigError: There is no split of that name.
        """
        if self._installed or (name or PAPER_SIZES) != PAPER_SIZES:
            return super().split(name, seed)
        # Of all crystals of the store, so that none changes its subset when few are served.
        ids: list[str] = []
        groups: list[int] = []
        for batch in self.store.scan():
            ids += batch.ids
            groups += batch.targets["space_group"].tolist()
        split = paper_sizes_split(ids, groups, seed=seed)
        return split.restrict(self.ids) if self._selected else split
