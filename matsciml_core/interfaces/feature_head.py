"""A task head that is fitted at once, on the embeddings of all training crystals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Embedding, Encoder
from matsciml_core.interfaces.head import TaskHead, Values


class FeatureHead(TaskHead):
    """A head without gradient steps: trees, ridge regression, nearest neighbours.

    :meth:`fit` comes first, as for every head, and fits scales and baselines; then
    :meth:`fit_features` is called once. What it fits lies in parameters or buffers, so that it is
    saved with the model; where their shapes depend on the data, ``_load_from_state_dict`` takes
    them over. Until then the head predicts what it would without features.
    """

    def features(self, embedding: Embedding, batch: CrystalBatch) -> Tensor:
        """Return what the head reads of an embedding, ``(crystals, width)``, dimensionless."""
        return embedding.crystals

    @abstractmethod
    def fit_features(self, features: Tensor, target: Values, mask: Values, *, seed: int) -> None:
        """Fit the head.

        Args:
            features: Of all training crystals, ``(crystals, width)``, dimensionless.
            target: What ``transform`` returns for them.
            mask: True where a label exists, same shapes as the labels.
            seed: Of all that is drawn at random.
        """


@dataclass
class _Rows:
    """What was collected for one head."""

    features: list[Tensor] = field(default_factory=list)
    target: list[Values] = field(default_factory=list)
    mask: list[Values] = field(default_factory=list)


def fit_feature_heads(
    encoder: Encoder,
    heads: Sequence[FeatureHead],
    batches: Iterable[CrystalBatch],
    *,
    seed: int = 0,
) -> None:
    """Encode each crystal once, and fit heads on what comes of it.

    Args:
        encoder: Put into evaluation mode.
        heads: Heads whose :meth:`~FeatureHead.fit` was called.
        batches: The training crystals, on the encoder's device.
        seed: Of all that the heads draw at random.
    """
    encoder.eval()
    collected = [_Rows() for _ in heads]
    with torch.no_grad():
        for batch in batches:
            embedding = encoder(batch)
            for head, rows in zip(heads, collected, strict=True):
                rows.features.append(head.features(embedding, batch).cpu())
                rows.target.append(_on_cpu(head.transform(batch)))
                rows.mask.append(_on_cpu(head.mask(batch)))
    for head, rows in zip(heads, collected, strict=True):
        head.eval().fit_features(
            torch.cat(rows.features), _joined(rows.target), _joined(rows.mask), seed=seed
        )


def _on_cpu(values: Values) -> Values:
    return {name: value.cpu() for name, value in values.items()}


def _joined(parts: Sequence[Values]) -> Mapping[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
