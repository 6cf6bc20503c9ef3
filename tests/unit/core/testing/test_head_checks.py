"""Every check of a task head is failed by a head with that one fault, and by no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torchmetrics import MeanAbsoluteError
from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy

from matsciml_core import TaskHead, TaskHeadSpec
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.head import label_mask
from matsciml_core.testing import examples
from matsciml_core.testing.examples import ExampleHead, masked_mean_square
from matsciml_core.testing.head.subject import TaskHeadSubject

SPEC = examples.HEAD


class ZeroForMissing(ExampleHead):
    """Trains on zeros where labels are missing."""

    def loss(self, prediction, target, mask):
        errors = [prediction[name] - torch.nan_to_num(target[name]) for name in target]
        return torch.stack([error.square().mean() for error in errors]).mean()


class MultipliesByTheMask(ExampleHead):
    def loss(self, prediction, target, mask):
        (name,) = target
        error = (prediction[name] - target[name]).square() * mask[name]
        return error.sum() / mask[name].sum().clamp_min(1)


class DividesByTheBatch(ExampleHead):
    def loss(self, prediction, target, mask):
        (name,) = target
        return super().loss(prediction, target, mask) * mask[name].double().mean()


class NanWithoutLabels(ExampleHead):
    def loss(self, prediction, target, mask):
        (name,) = target
        return (prediction[name] - target[name])[mask[name]].square().mean()


class ForgetsTheWeights(ExampleHead):
    def loss(self, prediction, target, mask, weights=None):
        return super().loss(prediction, target, mask)


class DividesByTheWeights(ExampleHead):
    """A mean in which a batch of light rows counts as much as one of heavy rows."""

    def loss(self, prediction, target, mask, weights=None):
        (name,) = target
        whole = super().loss(prediction, target, mask, weights)
        return whole if weights is None else whole / weights[name][mask[name]].mean()


class Biased(ExampleHead):
    """A loss that is smallest somewhere else."""

    def loss(self, prediction, target, mask):
        shifted = {name: values + 0.1 for name, values in prediction.items()}
        return super().loss(shifted, target, mask)


class ForgetsTheMean(ExampleHead):
    def inverse_transform(self, prediction, batch):
        return {info.name: prediction[info.name] * self.std[0] for info in self.targets}


class FillsMissing(ExampleHead):
    def transform(self, batch):
        return {name: torch.nan_to_num(one) for name, one in super().transform(batch).items()}


class ConstantsOutsideTheState(ExampleHead):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        mean, std = self.mean, self.std
        del self.mean, self.std
        self.mean, self.std = mean, std


class SharedMetrics(ExampleHead):
    _metrics = {"mae": MeanAbsoluteError()}

    def metrics(self):
        return {info.name: self._metrics for info in self.targets}


class MetricsInAnotherUnit(ExampleHead):
    def metrics(self):
        class InMillielectronvolt(MeanAbsoluteError):
            def compute(self):
                return 1000 * super().compute()

        return {info.name: {"mae": InMillielectronvolt()} for info in self.targets}


class NoMetrics(ExampleHead):
    def metrics(self):
        return {}


class Squeezes(ExampleHead):
    def forward(self, embedding, batch):
        return {name: layer(embedding.crystals).squeeze() for name, layer in self.layers.items()}


class MixesTheBatch(ExampleHead):
    def forward(self, embedding, batch):
        found = super().forward(embedding, batch)
        return {name: values + 0.1 * values.mean() for name, values in found.items()}


class Detached(ExampleHead):
    def forward(self, embedding, batch):
        return super().forward(replace(embedding, crystals=embedding.crystals.detach()), batch)


class UnusedLayer(ExampleHead):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.more = nn.Linear(3, 3)


class ForgetsItsUnits(ExampleHead):
    """Declares a unit and takes every other one."""

    units = {"scalar": ("eV",)}

    def __init__(self, targets, *arguments):
        super().__init__([replace(info, unit="eV") for info in targets], *arguments)


class FitsNothing(ExampleHead):
    def fit(self, training):
        try:
            super().fit(training)
        except DataError:
            self.mean.zero_()


class WritesToTheLabels(ExampleHead):
    def transform(self, batch):
        for info in self.targets:
            batch.targets[info.name].clamp_(-100, 100)
        return super().transform(batch)


class NoBaseline(ExampleHead):
    def baseline_predictions(self, batch):
        return {}


class WrongMean(ExampleHead):
    def baseline_predictions(self, batch):
        return {"mean": {info.name: torch.zeros(batch.num_crystals) for info in self.targets}}


class ExtraAxis(ExampleHead):
    """Predicts ``(crystals, 1)`` in physical units, which broadcasts against ``(crystals,)``."""

    def inverse_transform(self, prediction, batch):
        found = super().inverse_transform(prediction, batch)
        return {name: value[:, None] for name, value in found.items()}


class KeepsALambda(ExampleHead):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.activation = lambda values: values


class DoubleOnly(ExampleHead):
    def forward(self, embedding, batch):
        weight = torch.ones(self.crystal_width, dtype=torch.float64)
        return dict.fromkeys(self.layers, embedding.crystals @ weight)


FAULTS = [
    (ZeroForMissing, {"masked-values", "mean-over-labelled", "no-labels"}),
    (DividesByTheBatch, {"mean-over-labelled"}),
    (NanWithoutLabels, {"no-labels"}),
    (ForgetsTheWeights, {"weighted-rows"}),
    (DividesByTheWeights, {"weighted-rows"}),
    (Biased, {"perfect-prediction"}),
    (ForgetsTheMean, {"normalisation"}),
    (FillsMissing, {"normalisation"}),
    (ConstantsOutsideTheState, {"save-and-load"}),
    (SharedMetrics, {"metrics"}),
    (MetricsInAnotherUnit, {"metrics"}),
    (NoMetrics, {"metrics"}),
    (Squeezes, {"batch-equals-singles"}),
    (MixesTheBatch, {"batch-equals-singles"}),
    (Detached, {"gradients"}),
    (UnusedLayer, {"gradients"}),
    (ForgetsItsUnits, {"units"}),
    (FitsNothing, {"unlabelled-training"}),
    (WritesToTheLabels, {"batch-untouched"}),
    (NoBaseline, {"baseline-predictions"}),
    (WrongMean, {"baseline-predictions"}),
    (KeepsALambda, {"copies"}),
]


class ClassHead(TaskHead):
    """Cross entropy for two or more classes; probabilities in physical space."""

    def __init__(self, targets, atom_width, crystal_width, config=None):
        super().__init__(targets, atom_width, crystal_width, config)
        (self.info,) = self.targets
        self.classes = self.info.num_classes or 2
        self.layer = nn.Linear(crystal_width, 1 if self.classes == 2 else self.classes)
        self.register_buffer("shares", torch.zeros(self.classes, dtype=torch.float64))

    def fit(self, training):
        labels = torch.cat([batch.targets[self.info.name] for batch in training])
        labels = labels[label_mask(labels, self.info)]
        if not len(labels):
            raise DataError("There is no label to fit on; choose another one.")
        self.shares.copy_(torch.bincount(labels, minlength=self.classes) / len(labels))

    def forward(self, embedding, batch):
        logits = self.layer(embedding.crystals)
        return {self.info.name: logits[:, 0] if self.classes == 2 else logits}

    def transform(self, batch):
        return {self.info.name: batch.targets[self.info.name]}

    def loss(self, prediction, target, mask):
        name = self.info.name
        logits, known = prediction[name], mask[name]
        labels = torch.where(known, target[name], 0)
        if self.classes == 2:
            losses = nn.functional.binary_cross_entropy_with_logits(
                logits, labels.to(logits), reduction="none"
            )
        else:
            losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        return torch.where(known, losses, 0.0).sum() / known.sum().clamp_min(1)

    def inverse_transform(self, prediction, batch):
        logits = prediction[self.info.name]
        return {self.info.name: logits.sigmoid() if self.classes == 2 else logits.softmax(-1)}

    def metrics(self):
        two = self.classes == 2
        accuracy = BinaryAccuracy() if two else MulticlassAccuracy(self.classes)
        return {self.info.name: {"accuracy": accuracy}}

    def baseline_predictions(self, batch):
        shares = self.shares[1:] if self.classes == 2 else self.shares[None]
        rows = batch.num_crystals if self.classes == 2 else (batch.num_crystals, -1)
        return {"share": {self.info.name: shares.expand(rows)}}


CLASSES = TaskHeadSpec(
    name="classes", summary="", class_path="a:B", target_kinds=("binary", "multiclass")
)


class LogitsAsProbabilities(ClassHead):
    def inverse_transform(self, prediction, batch):
        return {name: 10 * values for name, values in prediction.items()}


class MissingIsClassZero(ClassHead):
    def loss(self, prediction, target, mask):
        filled = {name: labels.clamp(min=0) for name, labels in target.items()}
        return super().loss(prediction, filled, {n: torch.ones_like(m) for n, m in mask.items()})


class ForceHead(TaskHead):
    """Energy from atoms, forces and stress from its derivatives."""

    needs_position_gradient = True
    units = {
        "energy": ("eV",),
        "forces": ("eV/Å",),
        "stress": ("eV/Å³",),
    }

    def __init__(self, targets, atom_width, crystal_width, config=None):
        super().__init__(targets, atom_width, crystal_width, config)
        self.names = {info.kind: info.name for info in self.targets}
        self.layer = nn.Linear(atom_width, 1)
        self.register_buffer("per_atom", torch.zeros((), dtype=torch.float64))

    def fit(self, training):
        name = self.names["energy"]
        values = [b.targets[name] / b.atoms_per_crystal for b in training]
        values = torch.cat(values)
        values = values[~values.isnan()]
        if not len(values):
            raise DataError("There is no energy to fit on; choose another label.")
        self.per_atom.copy_(values.mean())

    def forward(self, embedding, batch):
        atomic = self.layer(embedding.atoms)[:, 0]
        energy = atomic.new_zeros(batch.num_crystals).index_add(0, batch.crystal_index, atomic)
        by_positions, by_cell = torch.autograd.grad(
            energy.sum(), (batch.positions, batch.cell), create_graph=True
        )
        virial = torch.zeros_like(batch.cell).index_add(
            0, batch.crystal_index, batch.positions[:, :, None] * by_positions[:, None, :]
        )
        virial = virial + batch.cell.transpose(1, 2) @ by_cell
        volume = torch.linalg.det(batch.cell).abs()[:, None, None]
        found = {"energy": energy, "forces": -by_positions, "stress": virial / volume}
        return {name: found[kind] for kind, name in self.names.items()}

    def transform(self, batch):
        found = {name: batch.targets[name] for name in self.names.values()}
        energy = self.names["energy"]
        return found | {energy: found[energy] - self.per_atom * batch.atoms_per_crystal}

    def loss(self, prediction, target, mask):
        terms = [masked_mean_square(prediction[n], target[n], mask[n]) for n in target]
        return torch.stack(terms).sum()

    def inverse_transform(self, prediction, batch):
        energy = self.names["energy"]
        shift = self.per_atom * batch.atoms_per_crystal
        return dict(prediction) | {energy: prediction[energy] + shift}

    def metrics(self):
        return {name: {"mae": MeanAbsoluteError()} for name in self.names.values()}

    def baseline_predictions(self, batch):
        zeros = {name: torch.zeros_like(batch.targets[name]) for name in self.names.values()}
        mean = {self.names["energy"]: self.per_atom * batch.atoms_per_crystal}
        return {"mean": zeros | mean}


FORCES = TaskHeadSpec(
    name="forces", summary="", class_path="a:B", target_kinds=("energy", "forces", "stress")
)


class TakesAnyUnit(ForceHead):
    units = {}


def test_the_example_keeps_every_promise(outcome):
    found = outcome(SPEC)
    assert not found.failed | found.warned
    assert found.skipped == {
        "units", "conservative", "tensors", "generation", "settings", "light-settings",
        "fits-features",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("component", "expected"), FAULTS, ids=[component.__name__ for component, _ in FAULTS]
)
def test_a_fault_fails_the_right_rows(outcome, component, expected):
    assert outcome(SPEC, component).failed == expected


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (MultipliesByTheMask, {"masked-values", "mean-over-labelled", "no-labels", "gradients"}),
        (ExtraAxis, {"physical-values", "normalisation"}),
        (DoubleOnly, {"precision", "gradients"}),
    ],
)
def test_a_fault_with_many_consequences_fails_these_rows_too(outcome, component, expected):
    assert expected <= outcome(SPEC, component).failed


def test_heads_for_classes_are_checked_for_both_kinds(outcome):
    found = outcome(CLASSES, ClassHead)
    assert not found.failed | found.warned
    assert found.row("construction").measured == "binary, multiclass"


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (LogitsAsProbabilities, {"physical-values"}),
        (MissingIsClassZero, {"masked-values", "mean-over-labelled", "no-labels"}),
    ],
)
def test_a_fault_of_a_class_head_fails_the_right_rows(outcome, component, expected):
    assert outcome(CLASSES, component).failed == expected


def test_energy_forces_and_stress_are_checked_together(outcome):
    found = outcome(FORCES, ForceHead)
    assert not found.failed | found.warned
    assert found.row("units").measured == "eV, eV/Å, eV/Å³"


class ForcesWithoutTheSign(ForceHead):
    def forward(self, embedding, batch):
        found = super().forward(embedding, batch)
        return found | {self.names["forces"]: -found[self.names["forces"]]}


class PressureForStress(ForceHead):
    def forward(self, embedding, batch):
        found = super().forward(embedding, batch)
        return found | {self.names["stress"]: -found[self.names["stress"]]}


class ForcesInAnotherScale(ForceHead):
    """Undoes a normalisation in the energy and forgets it in the forces."""

    def inverse_transform(self, prediction, batch):
        found = super().inverse_transform(prediction, batch)
        return found | {self.names["energy"]: 2.0 * found[self.names["energy"]]}

    def transform(self, batch):
        name = self.names["energy"]
        halved = {name: batch.targets[name] / 2.0 - self.per_atom * batch.atoms_per_crystal}
        return super().transform(batch) | halved


@pytest.mark.parametrize(
    "component", [ForcesWithoutTheSign, PressureForStress, ForcesInAnotherScale]
)
def test_forces_and_stress_must_be_derivatives(outcome, component):
    assert outcome(FORCES, component).failed == {"conservative"}


class LeavesForcesOut(ForceHead):
    def baseline_predictions(self, batch):
        found = super().baseline_predictions(batch)["mean"]
        return {"mean": {n: v for n, v in found.items() if n != self.names["forces"]}}


class TwoPredictors(ForceHead):
    def baseline_predictions(self, batch):
        found = super().baseline_predictions(batch)["mean"]
        forces = self.names["forces"]
        rest = {name: value for name, value in found.items() if name != forces}
        return {"zero": {forces: found[forces]}, "mean": rest}


def test_every_target_needs_a_baseline_predictor_but_not_every_predictor_every_target(outcome):
    assert outcome(FORCES, LeavesForcesOut).failed == {"baseline-predictions"}
    assert not outcome(FORCES, TwoPredictors).failed


def test_energies_in_any_unit_are_a_warning(outcome):
    found = outcome(FORCES, TakesAnyUnit)
    assert not found.failed
    assert found.warned == {"units"}
    assert "energy, forces, stress in any unit" in found.row("units").explanation


def test_energies_alone_are_checked_alone():
    subject = TaskHeadSubject(
        spec=replace(FORCES, target_kinds=("scalar", "energy")), component=ForceHead
    )
    kinds = [tuple(info.kind for info in group) for group in subject.groups]
    assert kinds == [("scalar",), ("energy",)]


def test_made_up_labels_are_in_a_unit_the_head_takes():
    class InKelvin(ExampleHead):
        units = {"scalar": ("K",)}

    subject = TaskHeadSubject(spec=SPEC, component=InKelvin)
    assert subject.groups[0][0].unit == "K"


def test_a_head_for_structures_must_generate(outcome):
    found = outcome(replace(SPEC, target_kinds=("structure",)))
    assert "generation" in found.failed
    assert "subclass of GenerativeHead" in found.row("generation").explanation


class RefusesWhatItDeclares(ExampleHead):
    def __init__(self, targets, *arguments):
        if targets[0].is_class:
            raise ConfigError("The head trains numbers only; choose another head.")
        super().__init__(targets, *arguments)


def test_a_head_must_take_every_kind_it_declares(outcome):
    found = outcome(replace(SPEC, target_kinds=("scalar", "binary")), RefusesWhatItDeclares)
    assert found.failed == {"construction"}
    assert "ConfigError: The head trains numbers only" in found.row("construction").explanation


def test_a_quarter_of_the_labels_is_missing():
    subject = TaskHeadSubject(spec=SPEC, component=ExampleHead)
    (bench,) = subject.benches()
    labels = bench.batch.targets["example_scalar"]
    assert labels.isnan().double().mean() == 0.25
    assert bench.batch.num_edges > 0


def test_a_layer_that_starts_at_zero_hides_no_fault(outcome):
    class StartsAtZero(MixesTheBatch):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            for parameter in self.parameters():
                nn.init.zeros_(parameter)

    assert "batch-equals-singles" in outcome(SPEC, StartsAtZero).failed
