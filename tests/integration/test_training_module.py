"""The mechanism that joins encoder, heads and strategy."""

import pytest
import torch
from torch import nn

from matsciml_core import CrystalBatch, Embedding, Encoder, TargetInfo
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.strategy import Strategy, Task
from matsciml_core.model.evaluate import MODEL, evaluate
from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.plan import Plan
from matsciml_head_property.regression import RegressionHead

ENERGY = TargetInfo(name="energy", kind="scalar", unit="eV")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
PLAN = Plan.of(TrainingConfig(), steps_per_epoch=10)


class ElementEncoder(Encoder):
    """Embeds the mean atomic number; counts how often it is called."""

    neighbours = None
    atom_width = crystal_width = 4

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 4)
        self.calls = 0

    def forward(self, batch):
        self.calls += 1
        atoms = self.layer(batch.atomic_numbers.to(self.layer.weight.dtype).unsqueeze(1) / 50)
        sums = atoms.new_zeros(batch.num_crystals, 4).index_add(0, batch.crystal_index, atoms)
        return Embedding(atoms=atoms, crystals=sums / batch.atoms_per_crystal.unsqueeze(1))


class Sum(Strategy):
    def combine(self, losses):
        return torch.stack(list(losses.values())).sum()


def make_batch(energies, gaps=None):
    crystals = [
        Crystal(
            id=f"c{k}",
            atomic_numbers=[10 + k],
            positions=[[0.0, 0.0, 0.0]],
            cell=3.0 * torch.eye(3).numpy(),
            labels={"energy": energy} | ({"gap": gaps[k]} if gaps else {}),
        )
        for k, energy in enumerate(energies)
    ]
    return CrystalBatch.from_crystals(crystals, [ENERGY, GAP], dtype=torch.float32)


def make_task(info, batch):
    head = RegressionHead([info], 4, 4)
    head.fit([batch])
    return Task(dataset="toy", head_name="regression", head=head)


class TestLosses:
    def test_each_dataset_is_encoded_once_whatever_the_number_of_tasks(self):
        batch = make_batch([1.0, 2.0, 3.0], [0.0, 1.0, 5.0])
        encoder = ElementEncoder()
        tasks = [make_task(ENERGY, batch), make_task(GAP, batch)]
        module = TrainingModule(encoder, tasks, Sum(), TrainingConfig(), PLAN)
        losses = module.losses({"toy": batch})
        assert set(losses) == {"toy/energy", "toy/gap"}
        assert encoder.calls == 1

    def test_a_task_without_a_label_in_the_batch_is_absent(self):
        full = make_batch([1.0, 2.0, 3.0], [0.0, 1.0, 5.0])
        tasks = [make_task(ENERGY, full), make_task(GAP, full)]
        module = TrainingModule(ElementEncoder(), tasks, Sum(), TrainingConfig(), PLAN)
        batch = make_batch([1.0, 2.0])
        batch.targets = {"energy": batch.targets["energy"]}
        assert set(module.losses({"toy": batch})) == {"toy/energy"}

    def test_missing_labels_do_not_matter(self):
        full = make_batch([1.0, 2.0, 3.0])
        task = make_task(ENERGY, full)
        module = TrainingModule(ElementEncoder(), [task], Sum(), TrainingConfig(), PLAN)
        holed = make_batch([1.0, 2.0, 3.0])
        holed.targets["energy"][2] = float("nan")
        two = make_batch([1.0, 2.0])
        torch.testing.assert_close(
            module.losses({"toy": holed})["toy/energy"], module.losses({"toy": two})["toy/energy"]
        )


class TestEvaluate:
    def test_metrics_are_in_physical_units_beside_the_baseline_predictors(self):
        batch = make_batch([1.0, 2.0, 6.0])
        task = make_task(ENERGY, batch)
        scores = evaluate(ElementEncoder(), [task], {"toy": [batch]}, torch.device("cpu"))
        score = scores["toy/energy"]
        # The last layer starts at zero, so an untrained head predicts the mean, 3 eV.
        assert score.summary(MODEL)["mae"] == pytest.approx((2 + 1 + 3) / 3)
        assert score.summary("mean")["mae"] == pytest.approx(2.0)
        assert score.summary("mean")["skill"] == pytest.approx(0.0)
        assert score.summary("median")["mae"] == pytest.approx((1 + 0 + 4) / 3)
        assert score.summary("median")["skill"] == pytest.approx(1 - (5 / 3) / 2)
        assert score.summary(MODEL)["unit"] == "eV"
        assert score.summary(MODEL)["count"] == 3

    def test_unlabelled_crystals_are_not_scored(self):
        batch = make_batch([1.0, 2.0, 6.0])
        task = make_task(ENERGY, batch)
        batch.targets["energy"][1] = float("nan")
        scores = evaluate(ElementEncoder(), [task], {"toy": [batch]}, torch.device("cpu"))
        assert scores["toy/energy"].ids == ["c0", "c2"]
