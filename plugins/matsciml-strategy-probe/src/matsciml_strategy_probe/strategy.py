"""The strategy ``probe``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from matsciml_core import CrystalBatch, Encoder, FeatureHead, Strategy, Task, fit_feature_heads


class Probe(Strategy):
    """Encode every crystal once, and fit each head on the embeddings of its dataset."""

    closed_form = True

    def solve(
        self,
        encoder: Encoder,
        tasks: Sequence[Task],
        batches: Mapping[str, Iterable[CrystalBatch]],
        seed: int,
    ) -> None:
        """Fit the heads of each dataset on one pass over it."""
        for name, stream in batches.items():
            heads = [task.head for task in tasks if task.dataset == name]
            fit_feature_heads(
                encoder,
                [head for head in heads if isinstance(head, FeatureHead)],
                stream,
                seed=seed,
            )

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the sum of the losses, which nothing here differentiates.

        Args:
            losses: A scalar per task key, dimensionless.
        """
        return torch.stack(list(losses.values())).sum()
