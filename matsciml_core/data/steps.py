"""Steps: the batches of several datasets, joined as a strategy asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.loader import CrystalLoader
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.strategy import BatchMode

_NEXT_PASS = 1_000_003
"""Distance between the orders of successive passes over a dataset in one epoch, in epochs."""

Step = tuple[str, ...]
"""The datasets that a step takes a batch of."""


class StepLoader:
    """Serves one mapping of dataset to batch per step, and can resume in the middle of an epoch.

    A dataset of whose batch this process has no crystal is left out of the step.

    Which datasets a step takes depends on mode, shares, seed and epoch alone. A dataset that is
    passed more than once in an epoch comes in a new order each time.

    Args:
        loaders: A loader per dataset.
        mode: How batches are joined.
        shares: With ``sampled``: positive numbers in proportion to the steps of each dataset.
        seed: Seed of the order in which datasets are sampled.

    Raises:
        ConfigError: With ``sampled``: shares are not one positive number per dataset.
    """

    batch_sampler: ClassVar[None] = None
    """There is none; trainers ask whatever has a sampler."""

    def __init__(
        self,
        loaders: Mapping[str, CrystalLoader],
        mode: BatchMode,
        *,
        shares: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Keep the loaders, and check the shares."""
        self.loaders = dict(loaders)
        self.mode = mode
        self.seed = seed
        self.epoch = 0
        self._shares = self._checked(shares) if mode == "sampled" else {}
        self._served = self._skip = 0

    @property
    def sampler(self) -> Self:
        """Itself: a trainer announces the epoch to the sampler of what it iterates over."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is sampled next."""
        self.epoch = epoch
        for loader in self.loaders.values():
            _choose_order(loader, epoch)

    def __len__(self) -> int:
        """Return the number of steps of the current epoch."""
        sizes = [len(loader) for loader in self.loaders.values()]
        if self.mode == "sampled":
            return sum(sizes)
        return min(sizes) if self.mode == "min_size" else max(sizes)

    def __iter__(self) -> Iterator[dict[str, CrystalBatch]]:
        """Serve the steps of an epoch, after those that were served before an interruption."""
        self.set_epoch(self.epoch)
        steps = self._steps()
        self._served, self._skip = self._skip, 0
        taken = Counter(name for step in steps[: self._served] for name in step)
        streams = {name: self._stream(name, taken[name]) for name in self.loaders}
        for step in steps[self._served :]:
            self._served += 1
            batches = {name: next(streams[name]) for name in step}
            yield {name: batch for name, batch in batches.items() if batch is not None}

    def state_dict(self) -> dict[str, int]:
        """Return how many steps of the current epoch were served."""
        return {"served": self._served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next epoch after the steps that were served."""
        self._skip = 0 if state["served"] >= len(self) else state["served"]

    def _steps(self) -> Sequence[Step]:
        if self.mode == "sampled":
            return self._sampled()
        sizes = {name: len(loader) for name, loader in self.loaders.items()}
        cycled = self.mode == "max_size_cycle"
        return [
            tuple(name for name, size in sizes.items() if cycled or step < size)
            for step in range(len(self))
        ]

    def _sampled(self) -> Sequence[Step]:
        """Return the datasets in random order, each as often as is its share."""
        names = list(self.loaders)
        shares = np.array([self._shares[name] for name in names])
        counts = _apportion(shares / shares.sum(), len(self))
        # The 1 keeps this order apart from that of a dataset's crystals, which has seed and epoch.
        generator = np.random.Generator(np.random.PCG64([self.seed, self.epoch, 1]))
        order = generator.permutation(np.repeat(np.arange(len(names)), counts))
        return [(names[index],) for index in order.tolist()]

    def _stream(self, name: str, taken: int) -> Iterator[CrystalBatch | None]:
        """Yield the batches of a dataset without end, after the first ones."""
        # Passes that lie behind are counted off, not loaded: a resumed run starts at once.
        loader, order = self.loaders[name], self.epoch
        while taken >= len(loader):
            taken -= len(loader)
            order += _NEXT_PASS
            _choose_order(loader, order)
        loader.load_state_dict({"served": taken})
        while True:
            yield from loader
            order += _NEXT_PASS
            _choose_order(loader, order)

    def _checked(self, shares: Mapping[str, float] | None) -> Mapping[str, float]:
        shares = shares or {name: float(len(loader)) for name, loader in self.loaders.items()}
        if shares.keys() != self.loaders.keys() or not all(
            np.isfinite(share) and share > 0 for share in shares.values()
        ):
            raise ConfigError(
                f"The strategy samples datasets in shares of {dict(shares)}; it must give one "
                f"positive number for each of {', '.join(self.loaders)}."
            )
        return shares


def _choose_order(loader: CrystalLoader, order: int) -> None:
    loader.sampler.set_epoch(order)  # type: ignore[attr-defined]


def _apportion(shares: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Return whole numbers in proportion to shares that sum to a total, by largest remainders."""
    exact = shares * total
    # Shares such as 1/3 times 3 may be a little less than 1.
    counts = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts
