"""Labels of any shape in a batch: masks, missing ones, and who may predict them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matsciml_core import CrystalBatch, Grid, TargetInfo, label_mask, labels_of
from matsciml_core.errors import ConfigError
from matsciml_core.testing.crystals import hcp_magnesium, triclinic
from matsciml_core.testing.examples import ExampleEncoder, ExampleHead, ExampleTensorEncoder
from matsciml_core.testing.transforms import random_rotation, turn

LABELS = [
    TargetInfo(name="x", kind="scalar", unit="eV"),
    TargetInfo(name="x", kind="forces", unit="eV/Å"),
    TargetInfo(name="x", kind="tensor", rank=1, unit="e·Å"),
    TargetInfo(name="x", kind="tensor", rank=2, unit="dimensionless"),
    TargetInfo(name="x", kind="tensor", rank=3, unit="C/m²"),
    TargetInfo(name="x", kind="tensor", rank=2, unit="e", per_atom=True),
    TargetInfo(
        name="x", kind="grid", unit="1/eV", grid=Grid(points=5, start=0.0, stop=1.0, unit="eV")
    ),
    TargetInfo(name="x", kind="multiclass", unit="class", num_classes=3),
]
IDS = [f"{info.form}{' per atom' if info.per_atom else ''}" for info in LABELS]


@pytest.fixture
def bare() -> CrystalBatch:
    """Crystals without labels."""
    return CrystalBatch.from_crystals([hcp_magnesium(), triclinic()])


@pytest.mark.parametrize("info", LABELS, ids=IDS)
def test_a_label_that_the_batch_does_not_carry_is_missing_everywhere(bare, info) -> None:
    labels = labels_of(bare, info)
    assert labels.shape == (bare.num_atoms if info.per_atom else 2, *info.shape)
    assert labels.dtype == (torch.int64 if info.is_class else torch.float64)
    assert not label_mask(labels, info).any()


@pytest.mark.parametrize("info", [one for one in LABELS if one.shape], ids=lambda one: one.form)
def test_a_value_of_which_a_component_is_missing_is_missing(bare, info) -> None:
    labels = torch.zeros_like(labels_of(bare, info))
    labels.view(len(labels), -1)[1, -1] = torch.nan
    mask = label_mask(labels, info).view(len(labels), -1)
    assert not mask[1].any()
    assert mask[0].all()
    assert mask[2:].all()


def test_a_tensor_is_not_predicted_from_features_that_do_not_turn() -> None:
    with pytest.raises(ConfigError, match="'x' is a tensor of rank 2, which turns with the cryst"):
        ExampleHead([LABELS[3]], 4, 4)


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
def test_tensors_of_higher_rank_turn_axis_by_axis(sign: int) -> None:
    random = np.random.default_rng(0)
    matrix = sign * random_rotation(random)
    vector, matrix2, rank3 = (random.normal(size=(2, *[3] * rank)) for rank in (1, 2, 3))
    np.testing.assert_allclose(turn(vector, matrix, 1), vector @ matrix.T)
    np.testing.assert_allclose(turn(matrix2, matrix, 2), matrix @ matrix2 @ matrix.T)
    expected = np.einsum("ai,bj,ck,nijk->nabc", matrix, matrix, matrix, rank3)
    np.testing.assert_allclose(turn(rank3, matrix, 3), expected)


def test_encoders_have_no_tensors_unless_they_say_so() -> None:
    assert ExampleEncoder().vector_width == ExampleEncoder().matrix_width == 0
    assert ExampleTensorEncoder().vector_width == 4
