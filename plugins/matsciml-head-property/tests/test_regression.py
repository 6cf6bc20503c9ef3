"""What is special about the regression head: its fit, its start, its refusals."""

import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, Embedding, Grid, TargetInfo
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


def test_hidden_widths_and_dropout_decide_the_layers():
    part = head(hidden=[16, 4], dropout=0.5)
    shapes = [tuple(p.shape) for p in part.parameters() if p.dim() == 2]
    assert shapes == [(16, 8), (4, 16), (1, 4)]
    torch.nn.init.ones_(part.layers.layers[-1].weight)
    batch = batch_of([1.0, 2.0, 6.0])
    embedding = embedding_for(batch)

    def differ() -> bool:
        first, second = (part(embedding, batch)["band_gap"] for _ in range(2))
        return not torch.equal(first, second)

    part.train()
    assert differ()
    part.eval()
    assert not differ()


def test_a_grid_has_a_mean_at_each_point_and_one_spread():
    grid = Grid(points=3, start=0.0, stop=2.0, unit="eV")
    info = TargetInfo(name="dos", kind="grid", unit="1/eV", grid=grid, extensive=True)
    crystals = [
        Crystal(
            id=str(k),
            atomic_numbers=[26] * atoms,
            positions=[[2.5 * n, 0.0, 0.0] for n in range(atoms)],
            cell=[[2.5 * atoms, 0, 0], [0, 3, 0], [0, 0, 3]],
            labels={"dos": [0.0, atoms * value, 5.0 * atoms]},
        )
        for k, (atoms, value) in enumerate([(1, 2.0), (2, 4.0), (4, 6.0)])
    ]
    batch = CrystalBatch.from_crystals(crystals, [info])
    fitted = RegressionHead([info], 8, 8)
    fitted.fit([batch])
    assert fitted.mean.tolist() == [0.0, 4.0, 5.0]
    assert fitted.std.item() == pytest.approx((8 / 3 / 3) ** 0.5)
    predicted = fitted.inverse_transform(fitted(embedding_for(batch), batch), batch)["dos"]
    assert predicted.tolist() == [[0.0, 4.0, 5.0], [0.0, 8.0, 10.0], [0.0, 16.0, 20.0]]
    back = fitted.inverse_transform(fitted.transform(batch), batch)["dos"]
    torch.testing.assert_close(back, batch.targets["dos"])


class TestSites:
    """Labels of single atoms."""

    MOMENT = TargetInfo(name="moment", kind="scalar", unit="μB", per_atom=True)

    def batch(self):
        crystals = [
            Crystal(
                id=str(k),
                atomic_numbers=[26, 8],
                positions=[[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]],
                cell=[[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]],
                labels={} if values is None else {"moment": values},
            )
            for k, values in enumerate(([4.0, 0.2], None, [2.0, float("nan")]))
        ]
        return CrystalBatch.from_crystals(crystals, [self.MOMENT])

    def test_are_read_from_the_embedding_of_atoms(self):
        head = RegressionHead([self.MOMENT], 8, 3, RegressionConfig())
        head.fit([self.batch()])
        found = head(embedding_for(self.batch()), self.batch())["moment"]
        assert found.shape == (6,)
        values = head.inverse_transform({"moment": found}, self.batch())["moment"]
        assert values.tolist() == pytest.approx([(4.0 + 0.2 + 2.0) / 3] * 6)

    def test_have_a_baseline_for_each_element(self):
        head = RegressionHead([self.MOMENT], 8, 8, RegressionConfig())
        head.fit([self.batch()])
        found = head.baseline_predictions(self.batch())["composition"]["moment"]
        mean = 6.2 / 3
        # Two atoms of iron and one of oxygen, and the mean as a tenth of an atom.
        iron = mean + (6.0 - 2 * mean) / 2.1
        oxygen = mean + (0.2 - mean) / 1.1
        assert found.tolist() == pytest.approx([iron, oxygen] * 3)

    def test_that_are_missing_do_not_count(self):
        head = RegressionHead([self.MOMENT], 8, 8, RegressionConfig())
        head.fit([self.batch()])
        target, mask = head.transform(self.batch()), head.mask(self.batch())
        assert mask["moment"].tolist() == [True, True, False, False, True, False]
        assert head.loss({"moment": torch.zeros(6)}, target, mask).isfinite()
