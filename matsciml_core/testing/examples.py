"""The smallest honest component of each kind: what a plugin may start from, and what checks use.

They pass every check. None of them is meant to be good at anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from matsciml_core.errors import DataError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.config import Config
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset, Provenance
from matsciml_core.interfaces.encoder import Embedding, Encoder, Neighbourhood, TensorEmbedding
from matsciml_core.interfaces.head import TaskHead, Values
from matsciml_core.interfaces.strategy import Strategy
from matsciml_core.registry.specs import (
    DatasetSpec,
    EncoderCapabilities,
    EncoderSpec,
    StrategySpec,
    TaskHeadSpec,
)
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.example_settings import ExampleEncoderConfig

if TYPE_CHECKING:
    from torchmetrics import Metric

_HERE = "matsciml_core.testing.examples"


class ExampleEncoder(Encoder):
    """One round of messages: Σ over neighbours of species times a smooth function of distance."""

    def __init__(self, config: ExampleEncoderConfig | None = None) -> None:
        """Build the layers."""
        config = config or ExampleEncoderConfig()
        super().__init__(config)
        self.atom_width = self.crystal_width = config.width
        self.neighbours = Neighbourhood(cutoff=config.cutoff)
        self.species = nn.Embedding(119, config.width)
        self.radial = nn.Linear(8, config.width)
        self.update = nn.Linear(2 * config.width, config.width)
        self.register_buffer("centres", torch.linspace(0.0, config.cutoff, 8))

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch."""
        # Raises the ShapeError of a batch whose neighbours were not looked up.
        length = batch.edge_vectors().norm(dim=-1, keepdim=True)  # (edges, 1)
        sender, receiver = batch.edge_index  # type: ignore[misc]
        species = self.species(batch.atomic_numbers)  # (atoms, width)
        cutoff = self.neighbours.cutoff  # type: ignore[union-attr]
        envelope = (1 - (length / cutoff) ** 2) ** 2
        radial = torch.exp(-((length - self.centres) ** 2))  # (edges, 8)
        message = envelope * self.radial(radial) * species[sender]  # (edges, width)
        gathered = torch.zeros_like(species).index_add(0, receiver, message)  # (atoms, width)
        atoms = torch.tanh(self.update(torch.cat((species, gathered), dim=-1)))
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class ExampleTensorEncoder(ExampleEncoder):
    """The example with vectors Σ w r̂ and matrices Σ w (r̂ r̂ᵀ − 1/3) over the neighbours."""

    vector_width = matrix_width = 4

    def __init__(self, config: ExampleEncoderConfig | None = None) -> None:
        """Build the layers."""
        super().__init__(config)
        self.weigh = nn.Linear(8, 8)
        self.weigh_species = nn.Embedding(119, 8)

    def forward(self, batch: CrystalBatch) -> TensorEmbedding:
        """Embed a batch, with a vector and a matrix for each of four weights."""
        embedding = super().forward(batch)
        vectors = batch.edge_vectors()
        length = vectors.norm(dim=-1, keepdim=True)  # (edges, 1)
        source, target = batch.edge_index  # type: ignore[misc]
        envelope = (1 - (length / self.neighbours.cutoff) ** 2) ** 2  # type: ignore[union-attr]
        radial = torch.exp(-((length - self.centres) ** 2))  # (edges, 8)
        species = self.weigh_species(batch.atomic_numbers)[source]
        weights = envelope * self.weigh(radial) * species  # (edges, 8)
        direction = (vectors / length).to(weights)
        outer = direction[:, :, None] * direction[:, None, :]
        outer = outer - torch.eye(3).to(outer) / 3  # (edges, 3, 3)
        of_vectors, of_matrices = weights.split(4, dim=1)
        zero = weights.new_zeros(batch.num_atoms, 4, 3, 3)
        return TensorEmbedding(
            atoms=embedding.atoms,
            crystals=embedding.crystals,
            vectors=zero[..., 0].index_add(0, target, of_vectors[..., None] * direction[:, None]),
            matrices=zero.index_add(0, target, of_matrices[..., None, None] * outer[:, None]),
        )


class ExampleDataset(Dataset):
    """Rock-salt crystals of random halides, with made-up labels of which some are missing."""

    _TARGETS = (
        TargetInfo(name="energy", kind="scalar", unit="eV/atom"),
        TargetInfo(name="is_large", kind="binary", unit="class"),
    )

    def __init__(self, config: Config | None = None) -> None:
        """Remember how many crystals there are."""
        super().__init__(config)
        self._size = 40

    @property
    def targets(self) -> dict[str, TargetInfo]:
        """The labels on offer, by name."""
        return {info.name: info for info in self._TARGETS}

    @property
    def provenance(self) -> Provenance:
        """Source and licence."""
        return Provenance(source="made up by matsciml_core.testing", licence="CC0-1.0")

    def __len__(self) -> int:
        """Return the number of crystals."""
        return self._size

    def __getitem__(self, index: int) -> Crystal:
        """Return one crystal, made from its index."""
        if not 0 <= index < self._size:
            raise IndexError(f"There is no crystal {index}; indices go from 0 to {self._size - 1}.")
        random = np.random.default_rng(index)
        edge = random.uniform(4.0, 7.0)
        return Crystal.from_fractional(
            id=f"example-{index:03d}",
            atomic_numbers=[random.choice([3, 11, 19]), random.choice([9, 17, 35])],
            fractional=[[0.0, 0.0, 0.0], random.uniform(0.45, 0.55, size=3).tolist()],
            cell=0.5 * edge * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
            labels=self._labels(index, edge),
        )

    @staticmethod
    def _labels(index: int, edge: float) -> dict[str, float]:
        labels = {"energy": (edge - 5.6) ** 2 - 3.0}
        if index % 4:
            labels["is_large"] = int(edge > 5.5)
        return labels


class ExampleHead(TaskHead):
    """Linear regression of numbers per crystal, normalised by mean and standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Config | None = None,
    ) -> None:
        """Build one linear layer per target."""
        super().__init__(targets, atom_width, crystal_width, config)
        self.layers = nn.ModuleDict({info.name: nn.Linear(crystal_width, 1) for info in targets})
        self.register_buffer("mean", torch.zeros(len(targets), dtype=torch.float64))
        self.register_buffer("std", torch.ones(len(targets), dtype=torch.float64))

    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Fit mean and standard deviation of each label."""
        batches = list(training)
        for k, info in enumerate(self.targets):
            labels = torch.cat([batch.targets[info.name] for batch in batches])
            labels = labels[~torch.isnan(labels)]
            if labels.numel() < 2 or not labels.std() > 0:
                raise DataError(
                    f"Label '{info.name}' has fewer than two different values in the training "
                    "split; choose another label or a larger split."
                )
            self.mean[k], self.std[k] = labels.mean(), labels.std()

    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict normalised values, ``(crystals,)`` each."""
        return {name: layer(embedding.crystals)[:, 0] for name, layer in self.layers.items()}

    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Subtract the mean and divide by the standard deviation."""
        return {
            info.name: (batch.targets[info.name] - self.mean[k]) / self.std[k]
            for k, info in enumerate(self.targets)
        }

    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean squared error over labelled entries, averaged over targets."""
        return torch.stack(
            [
                masked_mean_square(
                    prediction[i.name], target[i.name], mask[i.name], (weights or {}).get(i.name)
                )
                for i in self.targets
            ]
        ).mean()

    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Multiply by the standard deviation and add the mean."""
        return {
            info.name: prediction[info.name] * self.std[k] + self.mean[k]
            for k, info in enumerate(self.targets)
        }

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return the mean absolute error of each target."""
        from torchmetrics import MeanAbsoluteError  # noqa: PLC0415 - slow to import

        return {info.name: {"mae": MeanAbsoluteError()} for info in self.targets}

    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Predict the mean of the training split."""
        values = {
            info.name: self.mean[k].expand(batch.num_crystals)
            for k, info in enumerate(self.targets)
        }
        return {"mean": values}


class ExampleStrategy(Strategy):
    """Minimises the sum of the losses."""

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the sum.

        Args:
            losses: Loss of each task, ``()``, dimensionless.
        """
        return torch.stack(list(losses.values())).sum()


def mean_over_atoms(atoms: Tensor, batch: CrystalBatch) -> Tensor:
    """Return the mean over the atoms of each crystal, ``(crystals, width)``.

    Args:
        atoms: Features, ``(atoms, width)``, dimensionless.
        batch: The crystals.
    """
    total = atoms.new_zeros(batch.num_crystals, atoms.shape[-1])
    total = total.index_add(0, batch.crystal_index, atoms)
    return total / batch.atoms_per_crystal[:, None].to(total)


def masked_mean_square(
    prediction: Tensor, target: Tensor, mask: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the mean square of the labelled errors; zero, with a graph, where there are none.

    Args:
        prediction: Normalised values, ``(crystals,)``, dimensionless.
        target: Normalised labels, ``(crystals,)``, dimensionless; anything where one is missing.
        mask: Which labels there are, ``(crystals,)``, dimensionless.
        weights: Weight of each square, ``(crystals,)``, dimensionless; None: all count alike.
    """
    # Inside as well as outside: a NaN that is only multiplied by zero, or selected away after the
    # subtraction, comes back in the gradient.
    error = torch.where(mask, prediction - torch.where(mask, target, 0.0), 0.0)
    squares = error.square() if weights is None else weights * error.square()
    return squares.sum() / mask.sum().clamp_min(1)


ENCODER = EncoderSpec(
    name="example",
    summary="One round of messages.",
    class_path=f"{_HERE}:ExampleEncoder",
    config="matsciml_core.testing.example_settings:ExampleEncoderConfig",
    capabilities=EncoderCapabilities(smooth_cutoff=True),
)
TENSOR_ENCODER = EncoderSpec(
    name="example-tensors",
    summary="One round of messages, with vectors and matrices.",
    class_path=f"{_HERE}:ExampleTensorEncoder",
    config="matsciml_core.testing.example_settings:ExampleEncoderConfig",
    capabilities=EncoderCapabilities(smooth_cutoff=True, tensors=True),
)
DATASET = DatasetSpec(
    name="example",
    summary="Halides with made-up labels.",
    class_path=f"{_HERE}:ExampleDataset",
    targets=ExampleDataset._TARGETS,
    size=40,
)
HEAD = TaskHeadSpec(
    name="example",
    summary="Linear regression.",
    class_path=f"{_HERE}:ExampleHead",
    target_kinds=("scalar",),
)
STRATEGY = StrategySpec(
    name="example", summary="Sum of the losses.", class_path=f"{_HERE}:ExampleStrategy"
)
