"""Every check of a dataset is failed by a dataset with that one fault, and by no other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, Provenance, TargetInfo
from matsciml_core.errors import DataError
from matsciml_core.interfaces.split import Split
from matsciml_core.testing import examples
from matsciml_core.testing.dataset import CHECKS, reading
from matsciml_core.testing.examples import ExampleDataset

SPEC = examples.DATASET
_COUNTER = itertools.count()


class Changed(ExampleDataset):
    """The example with a change to each crystal."""

    def __getitem__(self, index):
        return self.change(super().__getitem__(index), index)


class Relabelled(Changed):
    def change(self, crystal, index):
        return replace(crystal, labels=self.labels(dict(crystal.labels), index))


class FractionalAsCartesian(Changed):
    def change(self, crystal, index):
        return replace(crystal, positions=crystal.fractional)


class InNanometres(Changed):
    def change(self, crystal, index):
        return replace(crystal, positions=crystal.positions / 10, cell=crystal.cell / 10)


class Overlapping(Changed):
    def change(self, crystal, index):
        return replace(crystal, positions=np.array([[2.0, 2.0, 2.0], [2.3, 2.0, 2.0]]))


class DuplicateIds(Changed):
    def change(self, crystal, index):
        return replace(crystal, id=f"example-{index // 2}")


class EmptyIds(Changed):
    def change(self, crystal, index):
        return replace(crystal, id=" " if index == 3 else crystal.id)


class ZerosForMissing(Relabelled):
    def labels(self, labels, index):
        return labels | ({"energy": 0.0} if index % 3 == 0 else {})


class Undeclared(Relabelled):
    def labels(self, labels, index):
        labels["enrgy"] = labels.pop("energy")
        return labels


class ExtraLabel(Relabelled):
    def labels(self, labels, index):
        return labels | {"volume": 1.0}


class ClassOutOfRange(Relabelled):
    def labels(self, labels, index):
        return labels | {"is_large": index % 3}


class InfiniteLabel(Relabelled):
    def labels(self, labels, index):
        return labels | ({"energy": np.inf} if index == 0 else {})


class TextLabel(Relabelled):
    def labels(self, labels, index):
        return labels | {"energy": str(labels["energy"])}


class ConstantLabel(Relabelled):
    def labels(self, labels, index):
        return labels | {"energy": -1.5}


class InMillielectronvolt(Relabelled):
    def labels(self, labels, index):
        return labels | {"energy": 1000 * labels["energy"]}


class RandomOrder(ExampleDataset):
    """Shuffles with the global generator, as a set or an unsorted folder would."""

    def __init__(self, config=None):
        super().__init__(config)
        self.order = np.random.permutation(40)  # noqa: NPY002

    def __getitem__(self, index):
        if not 0 <= index < 40:
            raise IndexError
        return super().__getitem__(int(self.order[index]))


class Augments(Changed):
    def change(self, crystal, index):
        noise = 0.01 * np.random.normal(size=crystal.positions.shape)  # noqa: NPY002
        return replace(crystal, positions=crystal.positions + noise)


class KeepsALambda(ExampleDataset):
    def __init__(self, config=None):
        super().__init__(config)
        self.transform = lambda crystal: crystal


class SortsBatches(ExampleDataset):
    def __getitems__(self, indices):
        return super().__getitems__(sorted(indices))


class SingleBatches(ExampleDataset):
    def __getitems__(self, indices):
        return super().__getitems__(indices).to(dtype=torch.float32)


class LosesLabelsInBatches(ExampleDataset):
    def __getitems__(self, indices):
        batch = super().__getitems__(indices)
        return CrystalBatch.from_crystals(batch.crystals(), [self.targets["energy"]])


class AcceptsNegative(ExampleDataset):
    def __getitem__(self, index):
        return super().__getitem__(index % 40 if index < 0 else index)


class AnotherError(ExampleDataset):
    def __getitem__(self, index):
        if index >= 40:
            raise KeyError(index)
        return super().__getitem__(index)


class WithoutLicence(ExampleDataset):
    @property
    def provenance(self):
        return Provenance(source="somewhere")


class WrongSize(ExampleDataset):
    def __init__(self, config=None):
        super().__init__(config)
        self._size = 39


class OverlappingSplit(ExampleDataset):
    def split(self, name=None, seed=0):
        split = super().split(name, seed)
        subsets = dict(split.subsets)
        subsets["test"] = (*subsets["test"], subsets["train"][0])
        return replace(split, subsets=subsets)


class IncompleteSplit(ExampleDataset):
    def split(self, name=None, seed=0):
        split = super().split(name, seed)
        return replace(split, subsets=dict(split.subsets) | {"train": split.subsets["train"][1:]})


class EmptyTest(ExampleDataset):
    def split(self, name=None, seed=0):
        subsets = dict(super().split(name, seed).subsets)
        subsets["train"], subsets["test"] = (*subsets["train"], *subsets["test"]), ()
        return Split(algorithm="mine", seed=seed, subsets=subsets)


class OtherParts(ExampleDataset):
    def split(self, name=None, seed=0):
        subsets = dict(super().split(name, seed).subsets)
        subsets["valid"] = subsets.pop("validation")
        return Split(algorithm="mine", seed=seed, subsets=subsets)


class RandomSplit(ExampleDataset):
    def split(self, name=None, seed=0):
        return super().split(name, next(_COUNTER))


class AcceptsAnySplit(ExampleDataset):
    def split(self, name=None, seed=0):
        return super().split(None, seed)


class WrongAtomCounts(ExampleDataset):
    @property
    def atoms_per_crystal(self):
        return super().atoms_per_crystal + 1


FAULTS = [
    (FractionalAsCartesian, {"cartesian", "geometry"}),
    (InNanometres, {"geometry"}),
    (Overlapping, {"geometry"}),
    (DuplicateIds, {"unique-ids", "splits"}),
    (EmptyIds, {"unique-ids"}),
    (Undeclared, {"no-other-labels", "labels-present"}),
    (ExtraLabel, {"no-other-labels"}),
    (ClassOutOfRange, {"label-values"}),
    (InfiniteLabel, {"label-values", "labels-in-batches"}),
    (TextLabel, {"label-values"}),
    (ConstantLabel, {"labels-vary"}),
    (RandomOrder, {"deterministic"}),
    (Augments, {"deterministic", "repeatable", "batch-reading", "pickling"}),
    (KeepsALambda, {"pickling"}),
    (SortsBatches, {"batch-reading"}),
    (SingleBatches, {"batch-layout", "batch-reading", "labels-in-batches"}),
    (AcceptsNegative, {"index-errors"}),
    (AnotherError, {"index-errors"}),
    (WithoutLicence, {"provenance"}),
    (WrongSize, {"declared-size"}),
    (OverlappingSplit, {"splits"}),
    (IncompleteSplit, {"splits"}),
    (EmptyTest, {"splits"}),
    (OtherParts, {"splits"}),
    (RandomSplit, {"splits"}),
    (AcceptsAnySplit, {"splits"}),
    (WrongAtomCounts, {"batch-layout"}),
]


def test_the_example_keeps_every_promise(outcome):
    found = outcome(SPEC)
    assert not found.failed | found.warned
    assert found.skipped == {"workers-fork", "workers-spawn", "settings", "light-settings"}


@pytest.mark.parametrize(
    ("component", "expected"), FAULTS, ids=[component.__name__ for component, _ in FAULTS]
)
def test_a_fault_fails_the_right_rows(outcome, component, expected):
    assert outcome(SPEC, component).failed == expected


def test_a_batch_without_a_declared_label_fails_where_labels_are_read(outcome):
    failed = outcome(SPEC, LosesLabelsInBatches).failed
    assert {"labels-in-batches", "batch-reading"} <= failed


@pytest.mark.parametrize(
    ("component", "expected", "words"),
    [
        (ZerosForMissing, "missing-is-not-zero", "35 % of 'energy' are exactly 0"),
        (InMillielectronvolt, "plausible-magnitude", "more than 20 is unusual"),
    ],
)
def test_what_may_be_right_is_a_warning(outcome, component, expected, words):
    found = outcome(SPEC, component)
    assert not found.failed
    assert found.warned == {expected}
    assert words in found.row(expected).explanation


def test_zeros_of_a_label_with_missing_values_are_no_matter(outcome):
    class SomeMissing(Relabelled):
        def labels(self, labels, index):
            if index % 2:
                return labels | {"energy": 0.0}
            return {"is_large": index % 4 // 2} if index % 3 == 0 else labels

    assert "missing-is-not-zero" not in outcome(SPEC, SomeMissing).warned


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "eV"}, "unit = 'eV', the dataset 'eV/atom'"),
        ({"kind": "energy", "unit": "eV"}, "kind = 'energy'"),
        ({"name": "enthalpy"}, "Only the spec declares ['enthalpy']"),
    ],
)
def test_the_spec_must_declare_what_the_dataset_has(outcome, change, words):
    declared = (replace(SPEC.targets[0], **change), SPEC.targets[1])
    found = outcome(replace(SPEC, targets=declared))
    assert found.failed == {"declared-labels"}
    assert words in found.row("declared-labels").explanation


def test_descriptions_of_labels_may_differ(outcome):
    declared = (replace(SPEC.targets[0], description="made up"), SPEC.targets[1])
    assert not outcome(replace(SPEC, targets=declared)).failed


def test_the_declared_size_holds_for_the_default_settings_only():
    from matsciml_core.testing.dataset.subject import DatasetSubject

    check = next(one for one in CHECKS if one.name == "declared-size")
    subject = DatasetSubject(spec=SPEC, component=WrongSize, default_config=False)
    assert check.run(subject).result == "passed"
    assert check.run(replace(subject, default_config=True)).result == "failed"


def test_the_declared_names_of_labels_hold_for_the_default_settings_only():
    from matsciml_core.testing.dataset.subject import DatasetSubject

    check = next(one for one in CHECKS if one.name == "declared-labels")
    fewer = replace(SPEC, targets=SPEC.targets[:1])
    subject = DatasetSubject(spec=fewer, component=ExampleDataset, default_config=False)
    assert check.run(subject).result == "passed"
    assert check.run(replace(subject, default_config=True)).result == "failed"
    other = replace(SPEC, targets=(replace(SPEC.targets[0], unit="Å"),))
    assert check.run(replace(subject, spec=other)).result == "failed"


class Empty(ExampleDataset):
    def __init__(self, config=None):
        super().__init__(config)
        self._size = 0


def test_an_empty_dataset_fails(outcome):
    found = outcome(replace(SPEC, size=None), Empty)
    assert "declared-size" in found.failed
    assert found.row("geometry").explanation == "The dataset is empty."


def test_slow_reading_is_a_warning(outcome, monkeypatch):
    monkeypatch.setattr(reading, "SLOW", 0.0)
    found = outcome(SPEC)
    assert found.warned == {"reading-speed"}
    assert "do repeated work once" in found.row("reading-speed").explanation


class Forces(ExampleDataset):
    """One energy per cell, a force per atom, a stress per cell."""

    _TARGETS = (
        TargetInfo(name="energy", kind="energy", unit="eV"),
        TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
        TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
        TargetInfo(name="space_group", kind="multiclass", unit="class", num_classes=230),
        TargetInfo(name="magnetic_moments", kind="scalar", unit="μB", per_atom=True),
    )

    @staticmethod
    def _labels(index, edge):
        random = np.random.default_rng(index)
        return {
            "energy": -500.0 - index,
            "forces": random.normal(size=(2, 3)),
            "stress": 0.01 * random.normal(size=(3, 3)),
            "space_group": index,
            "magnetic_moments": random.normal(size=2),
        }


def test_labels_of_every_kind_are_understood(outcome):
    found = outcome(replace(SPEC, targets=Forces._TARGETS), Forces)
    assert not found.failed | found.warned


class FlatForces(Forces):
    @staticmethod
    def _labels(index, edge):
        labels = Forces._labels(index, edge)
        return labels | {"forces": labels["forces"].ravel()}


def test_forces_of_the_wrong_shape_fail(outcome):
    found = outcome(replace(SPEC, targets=Forces._TARGETS), FlatForces)
    assert "(6,); it must be (2, 3)" in found.row("label-values").explanation


class OneAtom(ExampleDataset):
    def __getitem__(self, index):
        crystal = super().__getitem__(index)
        return Crystal(
            id=crystal.id,
            atomic_numbers=crystal.atomic_numbers[:1],
            positions=crystal.positions[:1],
            cell=crystal.cell,
            labels=crystal.labels,
        )


def test_one_atom_crystals_cannot_look_fractional(outcome):
    found = outcome(SPEC, OneAtom)
    assert not found.failed
    assert "cartesian" in found.skipped


class NotThereYet(ExampleDataset):
    def __init__(self, config=None):
        raise DataError("The data is not there yet; run 'matsciml fetch example'.")


def test_missing_data_is_for_the_user_to_mend(outcome):
    with pytest.raises(DataError, match="matsciml fetch example"):
        outcome(SPEC, NotThereYet)


class TestWorkers:
    """Real processes; ``test_contracts`` spawns one for the example."""

    def row(self, name, component=ExampleDataset):
        from matsciml_core.testing import subject_of

        check = next(one for one in CHECKS if one.name == name)
        return check.run(subject_of(SPEC, component=component))

    def test_forked(self):
        assert self.row("workers-fork").result == "passed"

    def test_a_lambda_survives_fork_but_not_spawn(self):
        assert self.row("workers-fork", KeepsALambda).result == "passed"
        row = self.row("workers-spawn", KeepsALambda)
        assert row.result == "failed"
        assert "lambda" in row.explanation

    def test_an_error_in_the_worker_is_told_in_one_line(self):
        row = self.row("workers-fork", FailsInWorkers)
        assert row.result == "failed"
        assert row.explanation == "DataError: The file is open elsewhere."

    def test_other_data_in_the_worker_is_noticed(self):
        row = self.row("workers-fork", DiffersInWorkers)
        assert (
            row.explanation == "A worker (fork) and this process do not agree: 'positions' differs."
        )


class FailsInWorkers(Changed):
    def change(self, crystal, index):
        if torch.utils.data.get_worker_info() is not None:
            raise DataError("The file is open elsewhere.")
        return crystal


class DiffersInWorkers(Changed):
    def change(self, crystal, index):
        if torch.utils.data.get_worker_info() is not None:
            return replace(crystal, positions=crystal.positions + 0.1)
        return crystal
