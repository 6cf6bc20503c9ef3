"""What is special about the regression head: its fit, its start, its refusals."""

import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, Embedding, TargetInfo
from matsciml_core.errors import ConfigError, DataError
from matsciml_head_property.config import RegressionConfig
from matsciml_head_property.regression import RegressionHead

GAP = TargetInfo(name="band_gap", kind="scalar", unit="eV")


def batch_of(values):
    crystals = [
        Crystal(
            id=str(k),
            atomic_numbers=[26],
            positions=[[0.0, 0.0, 0.0]],
            cell=[[2.9, 0, 0], [0, 2.9, 0], [0, 0, 2.9]],
            labels={} if value is None else {"band_gap": value},
        )
        for k, value in enumerate(values)
    ]
    return CrystalBatch.from_crystals(crystals, [GAP])


def head(**settings):
    return RegressionHead([GAP], 8, 8, RegressionConfig(**settings))


def embedding_for(batch):
    return Embedding(atoms=torch.randn(batch.num_atoms, 8), crystals=torch.randn(len(batch.ids), 8))


def test_constants_are_those_of_all_labelled_training_crystals():
    fitted = head()
    fitted.fit([batch_of([1.0, None]), batch_of([2.0]), batch_of([6.0, None])])
    assert fitted.mean.item() == 3.0
    assert fitted.std.item() == pytest.approx((14 / 3) ** 0.5)
    assert fitted.median.item() == 2.0


def test_an_untrained_head_predicts_the_mean():
    batch = batch_of([1.0, 2.0, 6.0])
    fitted = head()
    fitted.fit([batch])
    predicted = fitted.inverse_transform(fitted(embedding_for(batch), batch), batch)
    torch.testing.assert_close(predicted["band_gap"], torch.full((3,), 3.0, dtype=torch.float64))


@pytest.mark.parametrize(("loss", "expected"), [("l1", 2.0), ("mse", 5.0), ("huber", 1.5)])
def test_losses_are_means_over_the_labelled(loss, expected):
    part = head(loss=loss)
    prediction = {"band_gap": torch.zeros(3)}
    target = {"band_gap": torch.tensor([1.0, float("nan"), 3.0])}
    mask = {"band_gap": torch.tensor([True, False, True])}
    assert part.loss(prediction, target, mask).item() == pytest.approx(expected)


def test_a_split_without_labels_is_refused():
    with pytest.raises(DataError, match=r"No crystal .* 'band_gap'"):
        head().fit([batch_of([None, None])])


def test_a_constant_label_is_refused():
    with pytest.raises(DataError, match="2 eV for every training crystal"):
        head().fit([batch_of([2.0, 2.0])])


def test_several_targets_are_refused():
    other = TargetInfo(name="density", kind="scalar", unit="g/cm^3")
    with pytest.raises(ConfigError, match="band_gap, density"):
        RegressionHead([GAP, other], 8, 8)


def test_a_target_per_atom_is_refused():
    moment = TargetInfo(name="moment", kind="scalar", unit="muB", per_atom=True)
    with pytest.raises(ConfigError, match="moment"):
        RegressionHead([moment], 8, 8)


def test_hidden_widths_and_dropout_decide_the_layers():
    part = head(hidden=[16, 4], dropout=0.5)
    shapes = [tuple(p.shape) for p in part.parameters() if p.dim() == 2]
    assert shapes == [(16, 8), (4, 16), (1, 4)]
    assert sum(isinstance(module, torch.nn.Dropout) for module in part.modules()) == 2
