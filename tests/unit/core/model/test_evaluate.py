"""Scoring: masks, forces with their graph, classes, and the file of predictions."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torchmetrics import MeanAbsoluteError, R2Score
from torchmetrics.classification import BinaryAccuracy

from matsciml_core import CrystalBatch, TargetInfo, TaskHead
from matsciml_core.data import attach_neighbours
from matsciml_core.interfaces.head import label_mask, labels_of, with_gradients
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model import evaluate as module
from matsciml_core.model.evaluate import (
    MODEL,
    compute_metric,
    evaluate,
    undefined,
    update_metric,
)
from matsciml_core.testing.crystals import all_crystals
from matsciml_core.testing.examples import ExampleEncoder
from matsciml_core.training.run_folder import write_predictions

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
STABLE = TargetInfo(name="stable", kind="binary", unit="class")
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")


class Plain(TaskHead):
    """Sums what the atoms embed; its forces are derivatives, its class a sign."""

    needs_position_gradient = True

    def fit(self, training):
        pass

    def forward(self, embedding, batch):
        atoms = embedding.atoms.sum(1)
        energy = atoms.new_zeros(batch.num_crystals).index_add(0, batch.crystal_index, atoms)
        (gradient,) = torch.autograd.grad(energy.sum(), batch.positions, retain_graph=True)
        found = {"energy": energy, "forces": -gradient, "stable": energy.sigmoid()}
        return {info.name: found[info.name] for info in self.targets}

    def transform(self, batch):
        return {info.name: labels_of(batch, info) for info in self.targets}

    def loss(self, prediction, target, mask):
        return prediction["energy"].sum()

    def inverse_transform(self, prediction, batch):
        return dict(prediction)

    def metrics(self):
        return {
            info.name: {"accuracy": BinaryAccuracy()} if info.is_class
            else {"mae": MeanAbsoluteError()}
            for info in self.targets
        }  # fmt: skip

    def baseline_predictions(self, batch):
        found = {"mean": {"energy": torch.full((batch.num_crystals,), -2.0)}}
        if FORCES in self.targets:
            found["zero"] = {"forces": torch.zeros(batch.num_atoms, 3)}
        return found


@pytest.fixture
def encoder() -> nn.Module:
    torch.manual_seed(0)
    return ExampleEncoder()


def labelled(infos, *, missing=()):
    torch.manual_seed(1)
    crystals = all_crystals()[:3]
    batch = CrystalBatch.from_crystals(crystals, dtype=torch.float32)
    labels = {}
    for info in infos:
        value = labels_of(batch, info)
        labels[info.name] = torch.zeros_like(value) if info.is_class else torch.randn(value.shape)
    for name, rows in missing:
        labels[name][rows] = -1 if name == "stable" else torch.nan
    batch = replace(batch, targets=labels, target_info={info.name: info for info in infos})
    return attach_neighbours(batch, ExampleEncoder().neighbours)


def score(encoder, infos, batch):
    head = Plain(infos, encoder.atom_width, encoder.crystal_width)
    task = Task(dataset="toy", head_name="plain", head=head)
    return evaluate(encoder, [task], {"toy": [batch]}, torch.device("cpu"))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_forces_are_derivatives_whoever_turned_gradients_off(encoder, context):
    batch = labelled([ENERGY, FORCES])
    with context():
        found = score(encoder, [ENERGY, FORCES], batch)
    forces = torch.cat(found["toy/forces"].predictions)
    assert forces.abs().max() > 0
    seen = with_gradients(batch, [Plain([FORCES], 1, 1)])
    energy = encoder(seen).atoms.sum()
    (gradient,) = torch.autograd.grad(energy, seen.positions)
    torch.testing.assert_close(forces, -gradient.double())
    assert not batch.positions.requires_grad


def test_masked_labels_are_not_scored_however_absurd(encoder, monkeypatch):
    batch = labelled([ENERGY, FORCES], missing=[("forces", slice(1, 3)), ("energy", 1)])
    found = score(encoder, [ENERGY, FORCES], batch)
    mask = Plain.mask(Plain([ENERGY, FORCES], 1, 1), batch)
    absurd = replace(
        batch,
        targets={
            name: torch.where(mask[name], label, 1e30) for name, label in batch.targets.items()
        },
    )
    monkeypatch.setattr(Plain, "mask", lambda self, _: mask)
    again = score(encoder, [ENERGY, FORCES], absurd)
    for key, one in found.items():
        assert one.summary(MODEL) == again[key].summary(MODEL)
        assert again[key].summary(MODEL)["mae"] < 1e3
    assert found["toy/energy"].count == 2
    assert found["toy/forces"].count == batch.num_atoms - 2


def test_energies_have_an_error_per_atom_too(encoder):
    batch = labelled([ENERGY])
    found = score(encoder, [ENERGY], batch)["toy/energy"]
    error = torch.cat(found.predictions) - torch.cat(found.labels)
    expected = (error / batch.atoms_per_crystal).abs().mean()
    assert found.summary(MODEL)["mae_per_atom"] == pytest.approx(expected.item(), rel=1e-6)
    assert "mae_per_atom" in found.summary("mean")


def test_skill_of_forces_is_against_zero(encoder):
    found = score(encoder, [ENERGY, FORCES], labelled([ENERGY, FORCES]))["toy/forces"]
    assert found.predictors == ["zero"]
    ratio = found.summary(MODEL)["mae"] / found.summary("zero")["mae"]
    assert found.summary(MODEL)["skill"] == pytest.approx(1 - ratio)


def test_a_batch_without_one_of_the_labels_scores_the_other(encoder):
    batch = labelled([ENERGY])
    found = score(encoder, [ENERGY, FORCES], batch)
    assert found.keys() == {"toy/energy"}


def test_a_metric_of_too_few_rows_is_no_number():
    """R² of one value; a small list of structures may leave one for validation."""
    metric = R2Score()
    metric.update(torch.tensor([1.0]), torch.tensor([2.0]))
    assert math.isnan(compute_metric(metric))
    metric.update(torch.tensor([2.0]), torch.tensor([3.0]))
    assert math.isfinite(compute_metric(metric))


def test_only_so_many_rows_are_kept_but_all_are_scored(encoder, monkeypatch):
    batch = labelled([ENERGY, FORCES])
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    found = score(encoder, [ENERGY, FORCES], batch)["toy/forces"]
    assert found.count == batch.num_atoms
    assert len(found.ids) == len(torch.cat(found.labels)) == 2


class TestPredictionsFile:
    def rows(self, folder: Path, found) -> list[dict[str, str]]:
        write_predictions(folder, found)
        with (folder / "predictions-test.csv").open(encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    def test_forces_have_a_line_for_each_component(self, encoder, tmp_path):
        batch = labelled([ENERGY, FORCES], missing=[("forces", 0)])
        rows = self.rows(tmp_path, score(encoder, [ENERGY, FORCES], batch))
        mine = [row for row in rows if row["target"] == "forces"]
        assert len(mine) == 3 * (batch.num_atoms - 1)
        assert "probability" not in mine[0]
        first = batch.atoms_per_crystal[0].item()
        places = [int(row["index"]) for row in mine if row["id"] == batch.ids[0]]
        assert places == list(range(3, 3 * first))
        last = [float(row["label"]) for row in mine[-3:]]
        assert last == pytest.approx(batch.targets["forces"][-1].tolist())

    def test_classes_have_the_chosen_one_and_its_probability(self, encoder, tmp_path):
        batch = labelled([ENERGY, STABLE], missing=[("stable", 2)])
        found = score(encoder, [ENERGY, STABLE], batch)
        rows = [row for row in self.rows(tmp_path, found) if row["target"] == "stable"]
        chances = torch.cat(found["toy/stable"].predictions).tolist()
        assert len(rows) == len(chances) == 2
        for row, chance in zip(rows, chances, strict=True):
            assert row["label"] == "0"
            assert int(row["prediction"]) == (chance > 0.5)
            assert float(row["probability"]) == pytest.approx(max(chance, 1 - chance), rel=1e-5)


class TestLabels:
    def test_an_absent_label_is_missing_everywhere_in_its_own_shape(self):
        batch = replace(labelled([ENERGY]), targets={})
        shapes = {info.name: tuple(labels_of(batch, info).shape) for info in (FORCES, STRESS)}
        assert shapes == {"forces": (batch.num_atoms, 3), "stress": (3, 3, 3)}
        for info in (ENERGY, FORCES, STRESS, STABLE):
            assert not label_mask(labels_of(batch, info), info).any()

    def test_a_stress_without_one_component_is_missing(self):
        stress = torch.zeros(2, 3, 3)
        stress[1, 0, 2] = math.nan
        assert label_mask(stress, STRESS).flatten(1).all(1).tolist() == [True, False]
        assert not label_mask(stress, STRESS)[1].any()

    def test_heads_that_need_no_gradients_leave_the_batch_alone(self):
        class Needless(Plain):
            needs_position_gradient = False

        batch = labelled([ENERGY])
        assert with_gradients(batch, [Needless([ENERGY], 1, 1)]) is batch
        seen = with_gradients(batch, [Needless([ENERGY], 1, 1), Plain([FORCES], 1, 1)])
        assert seen.positions.requires_grad
        assert not seen.cell.requires_grad


def test_r2_of_labels_far_from_zero_is_that_of_float64():
    """In float32, torchmetrics 1.9.0 gives values above one, or none that mean anything."""
    generator = torch.Generator().manual_seed(0)
    truth = (30_000 + 0.5 * torch.randn(500, generator=generator)).to(torch.float32)
    prediction = truth + 0.25 * torch.randn(500, generator=generator)
    metric = R2Score().set_dtype(torch.float64)
    for rows in range(0, 500, 100):
        update_metric(metric, prediction[rows : rows + 100], truth[rows : rows + 100])
    labels, values = truth.double(), prediction.double()
    exact = 1 - ((labels - values) ** 2).sum() / ((labels - labels.mean()) ** 2).sum()
    assert compute_metric(metric).item() == pytest.approx(exact.item(), abs=1e-6)


def test_what_is_undefined_is_said_once_for_each_label():
    metrics = {"d/gap": {"mae": 0.1, "r2": float("nan"), "unit": "eV", "count": 1}}
    assert undefined(metrics) == ["d/gap: r2 is undefined (nan) for the 1 value of the test set."]
    assert undefined({"d/gap": {"mae": 0.1, "unit": "eV", "count": 9}}) == []
