"""Encoders and heads whose tensors do not turn with the crystal fail the checks of tensors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torchmetrics import MeanAbsoluteError

from matsciml_core import Embedding, TaskHeadSpec, TensorHead, label_mask
from matsciml_core.errors import DataError
from matsciml_core.testing.examples import (
    ENCODER,
    TENSOR_ENCODER,
    ExampleEncoder,
    ExampleTensorEncoder,
    masked_mean_square,
)


class ConstantVector(ExampleTensorEncoder):
    def forward(self, batch):
        embedding = super().forward(batch)
        return replace(embedding, vectors=embedding.vectors + 0.1)


class PseudoVectors(ExampleTensorEncoder):
    """Right under rotations, and without the sign that a reflection brings."""

    def forward(self, batch):
        embedding = super().forward(batch)
        first, second = embedding.vectors, embedding.vectors.roll(1, dims=1)
        return replace(embedding, vectors=torch.linalg.cross(first, second))


class KeepsTheTrace(ExampleTensorEncoder):
    def forward(self, batch):
        embedding = super().forward(batch)
        trace = embedding.atoms[:, :1, None, None] * torch.eye(3).to(embedding.atoms)
        return replace(embedding, matrices=embedding.matrices + trace)


class NotSymmetric(ExampleTensorEncoder):
    def forward(self, batch):
        embedding = super().forward(batch)
        first, second = embedding.vectors, embedding.vectors.roll(1, dims=1)
        outer = first.unsqueeze(3) * second.unsqueeze(2)
        inner = (first * second).sum(-1)[..., None, None] * torch.eye(3).to(first) / 3
        return replace(embedding, matrices=outer - inner)


class OneVectorLess(ExampleTensorEncoder):
    def forward(self, batch):
        embedding = super().forward(batch)
        return replace(embedding, vectors=embedding.vectors[:, 1:])


class Plain(ExampleEncoder):
    vector_width = 4

    def forward(self, batch):
        found = super().forward(batch)
        return Embedding(atoms=found.atoms, crystals=found.crystals)


def test_the_example_keeps_every_promise(outcome):
    found = outcome(TENSOR_ENCODER, quick=False)
    assert not found.failed
    assert found.row("tensors").result == "passed"


@pytest.mark.parametrize(
    ("component", "words"),
    [
        (ConstantVector, "in vectors, rotated"),
        (PseudoVectors, "in vectors, reflected"),
        (KeepsTheTrace, "in the trace"),
        (NotSymmetric, "in the transpose"),
        (OneVectorLess, "vectors has the shape (9, 3, 3); it must be (9, 4, 3)"),
        (Plain, "forward returns no TensorEmbedding"),
    ],
)
def test_a_fault_of_an_encoder_is_named(outcome, component, words):
    found = outcome(TENSOR_ENCODER, component)
    assert found.failed == {"tensors"}
    assert words in found.row("tensors").explanation


def test_tensors_are_checked_where_they_are_declared(outcome):
    assert "tensors" in outcome(ENCODER, ConstantVector).skipped


class VectorHead(TensorHead):
    """A sum of the atoms' vectors, with weights from their embedding."""

    ranks = (1,)

    def __init__(self, *arguments, **widths):
        super().__init__(*arguments, **widths)
        self.weigh = nn.Linear(self.atom_width, self.vector_width)
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def fit(self, training):
        (info,) = self.targets
        labels = torch.cat([batch.targets[info.name] for batch in training])
        known = labels[label_mask(labels, info)]
        if not len(known):
            raise DataError("There is no label to fit on; choose another.")
        self.scale.copy_(known.square().mean().sqrt())

    def forward(self, embedding, batch):
        (info,) = self.targets
        tensors = self.tensors_of(embedding)
        atoms = (self.weigh(tensors.atoms).unsqueeze(2) * tensors.vectors).sum(1)
        if info.per_atom:
            return {info.name: atoms}
        sums = atoms.new_zeros(batch.num_crystals, 3).index_add(0, batch.crystal_index, atoms)
        return {info.name: sums}

    def transform(self, batch):
        return {name: labels / self.scale for name, labels in batch.targets.items()}

    def loss(self, prediction, target, mask):
        (name,) = target
        return masked_mean_square(prediction[name], target[name], mask[name])

    def inverse_transform(self, prediction, batch):
        return {name: values * self.scale for name, values in prediction.items()}

    def metrics(self):
        return {info.name: {"mae": MeanAbsoluteError()} for info in self.targets}

    def baseline_predictions(self, batch):
        return {"zero": {name: torch.zeros_like(one) for name, one in batch.targets.items()}}


class AddsAConstant(VectorHead):
    def inverse_transform(self, prediction, batch):
        return {name: values * self.scale + 0.5 for name, values in prediction.items()}

    def transform(self, batch):
        return {name: (labels - 0.5) / self.scale for name, labels in batch.targets.items()}


class MeanOfComponents(VectorHead):
    """A baseline that belongs to the axes of the files."""

    def baseline_predictions(self, batch):
        return {
            "mean": {
                name: torch.tensor([1.0, 2.0, 3.0]).expand_as(labels)
                for name, labels in batch.targets.items()
            }
        }


HEAD = TaskHeadSpec(name="vector", summary="", class_path="a:B", target_kinds=("tensor",))


def test_a_head_for_vectors_passes(outcome):
    found = outcome(HEAD, VectorHead)
    assert not found.failed | found.warned
    assert found.row("tensors").result == "passed"


@pytest.mark.parametrize(
    ("component", "words"),
    [(AddsAConstant, "prediction, rank 1"), (MeanOfComponents, "baseline mean, rank 1")],
)
def test_a_fault_of_a_head_is_named(outcome, component, words):
    found = outcome(HEAD, component)
    assert found.failed == {"tensors"}
    assert words in found.row("tensors").explanation
