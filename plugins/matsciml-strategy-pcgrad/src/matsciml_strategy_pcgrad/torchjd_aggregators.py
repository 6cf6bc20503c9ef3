"""The aggregators that torchjd computes: ``upgrad``, ``cagrad`` and ``aligned-mtl``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torchjd import aggregation

from matsciml_core import Config
from matsciml_strategy_pcgrad.config import CAGradConfig
from matsciml_strategy_pcgrad.gram_aggregator import GramAggregator

_STATIONARY = 1e-14
"""Length, as a share of the longest gradient, below which CAGrad's direction counts as zero.
torchjd's own 10⁻⁴ would stop training where one gradient is zero, or that much shorter."""


class TorchJDAggregator(GramAggregator):
    """An aggregator whose weights torchjd computes from the dot products.

    Its solvers run on the host, so that a step on a GPU waits for them. They have no state.
    """

    def __init__(self, config: Config | None = None) -> None:
        """Make the weighting."""
        super().__init__(config)
        self.weighting = self.make_weighting()

    @abstractmethod
    def make_weighting(self) -> Callable[[Tensor], Tensor]:
        """Return a function from dot products to weights."""

    def weights(self, gram: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return torchjd's weights, or NaN where a gradient is not finite.

        Args:
            gram: Dot products of the gradients, ``(tasks, tasks)`` float64, dimensionless.
            losses: Not needed; a scalar per task key, dimensionless.
        """
        del losses
        largest = gram.diagonal().max()
        # The solvers raise for NaN; the training loop skips a step whose gradient is NaN.
        if not bool(largest.isfinite() & gram.isfinite().all()):
            return torch.full_like(gram.diagonal(), torch.nan)
        # Scaled: the solvers' tolerances are absolute.
        return self.weighting(gram / largest.clamp_min(torch.finfo(gram.dtype).tiny))


class UPGrad(TorchJDAggregator):
    """Each gradient projected onto the cone of directions that worsen no task, then averaged.

    torchjd adds 10⁻⁴ of the largest entry to the diagonal of K, so that for gradients of very
    different length a task may be worsened by that share.
    """

    def make_weighting(self) -> Callable[[Tensor], Tensor]:
        """Return torchjd's UPGrad."""
        weighting: Callable[[Tensor], Tensor] = aggregation.UPGradWeighting()
        return weighting


class CAGrad(TorchJDAggregator):
    """The best direction for the task worst off, within a ball around the mean gradient."""

    def make_weighting(self) -> Callable[[Tensor], Tensor]:
        """Return torchjd's CAGrad."""
        settings = self.config if isinstance(self.config, CAGradConfig) else CAGradConfig()
        weighting: Callable[[Tensor], Tensor] = aggregation.CAGradWeighting(
            c=settings.radius, norm_eps=_STATIONARY
        )
        return weighting


class AlignedMTL(TorchJDAggregator):
    """The mean of the gradients after their matrix was brought to equal singular values."""

    def make_weighting(self) -> Callable[[Tensor], Tensor]:
        """Return torchjd's Aligned-MTL."""
        weighting: Callable[[Tensor], Tensor] = aggregation.AlignedMTLWeighting()
        return weighting
