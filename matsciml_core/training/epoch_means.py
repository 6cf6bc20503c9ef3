"""Means and sums over the batches of an epoch, kept on the device until the epoch ends."""

from __future__ import annotations

import torch
from torch import Tensor

from matsciml_core.training import distributed


class EpochMeans:
    """Weighted means of numbers that each batch gives one of.

    Lightning's ``log`` keeps the same means, and takes 1 to 2 ms a call, for several losses a step
    as long as the rest of a small batch; nor does a checkpoint within an epoch have them.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, int] = {}

    def add(self, name: str, value: Tensor, weight: int) -> None:
        """Add the number of a batch; no device is waited for.

        Args:
            name: What it is.
            value: ``()``, in any unit.
            weight: How often it counts, for example the number of crystals on all ranks.
        """
        # A sum of 10⁶ losses in float32 would have lost half of its digits.
        share = value.detach().to(torch.float64) * weight
        known = self._sums.get(name)
        self._sums[name] = share if known is None else known + share
        self._weights[name] = self._weights.get(name, 0) + weight

    def take(self) -> dict[str, Tensor]:
        """Return the means over batches and ranks, ``()`` float32 each, and start anew.

        Collective in a distributed run: all ranks must have added to the same names.
        """
        if not self._sums:
            return {}
        names = list(self._sums)
        weights = [max(self._weights[name], 1) for name in names]
        sums = torch.stack([self._sums[name] for name in names])
        means = sums / torch.tensor(weights, dtype=sums.dtype).to(sums.device)
        distributed.average_over_ranks(means)
        self._sums, self._weights = {}, {}
        return dict(zip(names, means.to(torch.float32), strict=True))

    def state_dict(self) -> dict[str, dict[str, Tensor] | dict[str, int]]:
        """Return the sums of the epoch so far, for a checkpoint."""
        return {"sums": dict(self._sums), "weights": dict(self._weights)}

    def load_state_dict(self, state: dict[str, dict[str, Tensor] | dict[str, int]]) -> None:
        """Go on with the sums of a checkpoint.

        Args:
            state: What :meth:`state_dict` returned: sums, ``()`` float64 each, in the unit of what
                was added, and weights.
        """
        self._sums = {name: torch.as_tensor(value) for name, value in state["sums"].items()}
        self._weights = {name: int(value) for name, value in state["weights"].items()}
