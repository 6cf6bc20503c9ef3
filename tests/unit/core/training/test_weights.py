"""Weights of crystals in the training loss."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from matsciml_core import train
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.dataset import Dataset, Provenance
from matsciml_core.interfaces.split import Split
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.examples import ExampleDataset, ExampleHead
from matsciml_core.training.assemble import resolve
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.plan import Plan
from matsciml_core.training.prepare import prepare
from matsciml_core.training.request import Labels, read_request

INFOS = (
    TargetInfo(name="energy", kind="scalar", unit="eV/atom"),
    TargetInfo(name="weight", kind="scalar", unit="dimensionless"),
    TargetInfo(name="moments", kind="scalar", unit="μB", per_atom=True),
    TargetInfo(name="group", kind="multiclass", unit="class", num_classes=3),
)
HELD = 4
"""Crystals that validate and test; the others train."""


class Labelled(Dataset):
    """Crystals of the example with weights and groups, None where missing; some are there twice."""

    def __init__(self, weights, groups=None, twice=()):
        super().__init__()
        example = ExampleDataset()
        self.rows = []
        for index, weight in enumerate(weights):
            group = None if groups is None else groups[index]
            labels = {"weight": weight, "group": group, "energy": example[index].labels["energy"]}
            present = {name: value for name, value in labels.items() if value is not None}
            self.rows.append(replace(example[index], labels=present))
        self.rows += [replace(self.rows[index], id=f"twin-{index}") for index in twice]

    @property
    def targets(self):
        return {info.name: info for info in INFOS}

    @property
    def provenance(self):
        return Provenance(source="made up", licence="CC0-1.0")

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]

    def split(self, name=None, seed=0):
        ids = self.ids
        parts = {"validation": ids[:2], "test": ids[2:HELD], "train": ids[HELD:]}
        subsets = {subset: tuple(sorted(members)) for subset, members in parts.items()}
        return Split(algorithm="the first", seed=seed, subsets=subsets)


@pytest.fixture
def run_of(registry, tmp_path):
    """Give a function that prepares a run on a dataset."""

    def build(dataset, **training):
        sections = {
            "dataset": dataset,
            "encoder": "example",
            "strategy": "example",
            "targets": "energy",
            "output": str(tmp_path / "runs"),
            "training": {"batch_size": 64, "precision": "float64", **training},
        }
        request = read_request(None, sections, Labels(), registry)
        return prepare(resolve(request.data, request.registry), request.registry)

    return build


def gradient_of(run, subset="train"):
    """Return the loss of a subset as one batch, and its gradient, in one vector."""
    training = run.config.training
    module = TrainingModule(run.encoder, run.tasks, run.strategy, training, Plan.of(training, 1))
    (loader,) = run.loader(subset).values()
    (batch,) = loader
    (loss,) = module.losses({run.datasets[0].name: batch}).values()
    parameters = [*run.encoder.parameters(), *run.tasks[0].head.parameters()]
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    flat = [one.flatten() for one in found if one is not None]
    return torch.cat([loss.detach().flatten(), *flat])


def same_head(run, other):
    """Give a run the normalisation of another, which sees the same crystals more often."""
    run.tasks[0].head.load_state_dict(other.tasks[0].head.state_dict())
    run.encoder.load_state_dict(other.encoder.state_dict())


ALIKE = [1.0] * 12


class TestOneBatch:
    def test_a_crystal_of_weight_two_is_as_good_as_two(self, run_of):
        weighted = run_of(Labelled([*ALIKE[:6], 2.0, *ALIKE[7:]]), sample_weight="weight")
        repeated = run_of(Labelled(ALIKE, twice=[6]))
        plain = run_of(Labelled(ALIKE))
        same_head(repeated, weighted)
        same_head(plain, weighted)
        torch.testing.assert_close(
            gradient_of(weighted), gradient_of(repeated), rtol=1e-10, atol=1e-12
        )
        assert not torch.allclose(gradient_of(weighted), gradient_of(plain), rtol=1e-3)

    def test_so_is_one_of_a_group_of_weight_two(self, run_of):
        groups = [0] * 6 + [2] + [1] * 5
        weighted = run_of(Labelled(ALIKE, groups), group_weights={"group": {2: 2.0}})
        repeated = run_of(Labelled(ALIKE, groups, twice=[6]))
        same_head(repeated, weighted)
        torch.testing.assert_close(
            gradient_of(weighted), gradient_of(repeated), rtol=1e-10, atol=1e-12
        )

    def test_weights_and_groups_multiply(self, run_of):
        groups = [0] * 6 + [2] + [1] * 5
        both = run_of(
            Labelled([*ALIKE[:6], 3.0, *ALIKE[7:]], groups),
            sample_weight="weight",
            group_weights={"group": {2: 2.0, 0: 1.0}},
        )
        six = run_of(Labelled([*ALIKE[:6], 6.0, *ALIKE[7:]]), sample_weight="weight")
        torch.testing.assert_close(gradient_of(both), gradient_of(six))

    def test_only_the_ratio_of_weights_counts(self, run_of):
        plain = gradient_of(run_of(Labelled(ALIKE)))
        alike = gradient_of(run_of(Labelled([0.01] * 12), sample_weight="weight"))
        torch.testing.assert_close(alike, plain)

    def test_weight_zero_is_as_good_as_absence(self, run_of):
        weighted = run_of(Labelled([*ALIKE[:11], 0.0]), sample_weight="weight")
        absent = run_of(Labelled(ALIKE[:11]))
        same_head(absent, weighted)
        torch.testing.assert_close(
            gradient_of(weighted), gradient_of(absent), rtol=1e-10, atol=1e-12
        )


def test_batches_of_one_are_weighted_too(run_of):
    run = run_of(Labelled([*ALIKE[:6], 5.0, *ALIKE[7:]]), sample_weight="weight", batch_size=1)
    (loader,) = run.loader("train").values()
    found = {batch.ids[0]: float(batch.weights["energy"]) for batch in loader}
    ratio = found.pop("example-006") / torch.tensor([*found.values()])
    assert ratio.tolist() == pytest.approx([5.0] * 7)
    assert sum(found.values()) + 5 * min(found.values()) == pytest.approx(8.0)  # mean 1


def test_validation_is_weighted_only_where_asked(run_of):
    dataset = Labelled([3.0, *ALIKE[1:]])
    plain = gradient_of(run_of(Labelled(ALIKE)), "validation")
    not_asked = gradient_of(run_of(dataset, sample_weight="weight"), "validation")
    torch.testing.assert_close(not_asked, plain)
    asked = run_of(dataset, sample_weight="weight", weighted_validation=True)
    assert not torch.allclose(gradient_of(asked, "validation"), plain, rtol=1e-3)


REJECTED = {
    "negative": ({"sample_weight": "weight"}, [*ALIKE[:8], -1.0, *ALIKE[9:]], "value -1 of"),
    "infinite": (
        {"sample_weight": "weight"},
        [*ALIKE[:8], float("inf"), *ALIKE[9:]],
        "value inf of",
    ),
    "missing": ({"sample_weight": "weight"}, [*ALIKE[:8], None, *ALIKE[9:]], "no value of"),
    "not a number": (
        {"sample_weight": "weight"},
        [*ALIKE[:8], float("nan"), *ALIKE[9:]],
        "no value of",
    ),
    "all zero": ({"sample_weight": "weight"}, [1.0] * HELD + [0.0] * 8, "nothing to learn"),
    "without a group": ({"group_weights": {"group": {1: 2.0}}}, ALIKE, "no value of 'group'"),
}


@pytest.mark.parametrize(("settings", "weights", "words"), REJECTED.values(), ids=REJECTED)
def test_a_weight_that_is_none_is_one_sentence(run_of, settings, weights, words):
    with pytest.raises(DataError, match=words) as caught:
        run_of(Labelled(weights), **settings)
    assert "\n" not in str(caught.value)


WRONG = {
    "unknown label": ({"sample_weight": "wieght"}, "weight"),
    "unknown group": ({"group_weights": {"gruop": {0: 1.0}}}, "group"),
    "a class": ({"sample_weight": "group"}, "one number for each crystal"),
    "per atom": ({"sample_weight": "moments"}, "one number for each crystal"),
    "no class": ({"group_weights": {"weight": {0: 1.0}}}, "groups are the classes"),
    "too high": ({"group_weights": {"group": {3: 1.0}}}, "classes 0 to 2"),
    "negative": ({"group_weights": {"group": {0: -1.0}}}, "training.group_weights"),
    "no number": ({"group_weights": {"group": {0: float("nan")}}}, "training.group_weights"),
    "another dataset": ({"sample_weight": "mp/weight"}, "no dataset for 'training.sample_weight'"),
    "nothing to weigh by": ({"weighted_validation": True}, "all crystals count alike"),
}


@pytest.mark.parametrize(("settings", "words"), WRONG.values(), ids=WRONG)
def test_wrong_settings_are_one_sentence(run_of, settings, words):
    with pytest.raises(ConfigError, match=words):
        run_of(Labelled(ALIKE, [0] * 12), **settings)


def test_a_head_whose_loss_takes_no_weights_is_rejected(run_of, monkeypatch):
    def loss(self, prediction, target, mask):
        raise AssertionError

    monkeypatch.setattr(ExampleHead, "loss", loss)
    with pytest.raises(ConfigError, match="takes no weights"):
        run_of(Labelled(ALIKE), sample_weight="weight")


def test_a_run_says_what_is_weighted(registry, tmp_path, capsys):
    result = train(
        dataset=Labelled([*ALIKE[:6], 3.0, *ALIKE[7:]]),
        encoder="example",
        strategy="example",
        targets="energy",
        registry=registry,
        output=tmp_path,
        epochs=1,
        sample_weight="weight",
    )
    said = capsys.readouterr().out
    assert "The training loss is weighted" in said
    assert "0.8 to 2.4 times the mean" in said
    assert "the validation loss and metrics are not" in said
    record = json.loads((result.folder / "run.json").read_text(encoding="utf-8"))
    (dataset,) = record["datasets"].values()
    # (7 + 3)² / (7 + 9) = 6.25 crystals
    assert dataset["weights"]["effective_crystals"] == pytest.approx(6.25)
    assert dataset["weights"]["sample_weight"] == "weight"
