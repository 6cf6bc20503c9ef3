"""The composition-only predictor: exact where composition decides, memory that does not grow."""

import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, TargetInfo
from matsciml_head_property.composition import CompositionFit, composition_values
from matsciml_head_property.regression import RegressionHead

ENERGY = TargetInfo(name="energy", kind="scalar", unit="eV/atom")
PER_ELEMENT = {11: -1.0, 17: -3.5, 26: 2.0}


def crystal(name, numbers, energy=None):
    positions = [[2.0 * k, 0.0, 0.0] for k in range(len(numbers))]
    labels = {} if energy is None else {"energy": energy}
    cell = torch.eye(3).numpy() * 2.0 * len(numbers)
    return Crystal(id=name, atomic_numbers=numbers, positions=positions, cell=cell, labels=labels)


def additive(name, numbers):
    return crystal(name, numbers, sum(PER_ELEMENT[z] for z in numbers) / len(numbers))


def batch_of(crystals):
    return CrystalBatch.from_crystals(crystals, [ENERGY])


TRAINING = [
    additive("a", [11, 17]),
    additive("b", [11, 11, 17]),
    additive("c", [26]),
    additive("d", [26, 17, 17, 17]),
]


def test_additive_labels_are_recovered_also_for_new_compositions():
    head = RegressionHead([ENERGY], 4, 4)
    head.fit([batch_of(TRAINING[:2]), batch_of(TRAINING[2:])])
    new = batch_of([additive("new", [11, 26, 26, 17, 17])])
    predicted = head.baseline_predictions(new)["composition"]["energy"]
    torch.testing.assert_close(predicted, new.targets["energy"], atol=1e-5, rtol=0)


def test_unlabelled_crystals_have_no_influence():
    fit, holed = CompositionFit(), CompositionFit()
    for target, crystals in ((fit, TRAINING), (holed, [*TRAINING, crystal("e", [11, 26])])):
        batch = batch_of(crystals)
        labels = batch.targets["energy"]
        target.add(batch, labels, ~labels.isnan())
    assert torch.equal(fit.solve(), holed.solve())


def test_an_element_that_never_occurred_counts_zero():
    fit = CompositionFit()
    batch = batch_of(TRAINING)
    fit.add(batch, batch.targets["energy"], torch.ones(4, dtype=torch.bool))
    coefficients = fit.solve()
    assert coefficients[92] == 0
    assert composition_values(coefficients, batch_of([crystal("u", [92])])).item() == 0


def test_elements_that_always_occur_together_share_what_they_bring():
    fit = CompositionFit()
    batch = batch_of([crystal("a", [11, 17], -2.0), crystal("b", [26], 1.0)])
    fit.add(batch, batch.targets["energy"], torch.ones(2, dtype=torch.bool))
    coefficients = fit.solve()
    assert coefficients[11].item() == pytest.approx(coefficients[17].item())
    values = composition_values(coefficients, batch)
    torch.testing.assert_close(values, batch.targets["energy"], atol=1e-5, rtol=0)
