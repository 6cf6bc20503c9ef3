"""What composition alone says, beside a regression head."""

import numpy as np
import pytest

from matsciml_core import Crystal, CrystalBatch, TargetInfo
from matsciml_head_property.regression import RegressionHead

ENERGY = TargetInfo(name="energy", kind="scalar", unit="eV/atom")
TOTAL = TargetInfo(name="energy", kind="scalar", unit="eV", extensive=True)
PER_ELEMENT = {11: -1.0, 17: -3.5, 26: 2.0}


def batch_of(info, *compositions):
    """Return crystals whose energy is the sum, or the mean, of what their atoms bring."""
    crystals = []
    for numbers in compositions:
        energies = [PER_ELEMENT[number] for number in numbers]
        crystals.append(
            Crystal(
                id=str(len(crystals)),
                atomic_numbers=numbers,
                positions=[[2.0 * k, 0.0, 0.0] for k in range(len(numbers))],
                cell=2.0 * len(numbers) * np.eye(3),
                labels={"energy": sum(energies) if info.extensive else np.mean(energies)},
            )
        )
    return CrystalBatch.from_crystals(crystals, [info])


@pytest.mark.parametrize("info", [ENERGY, TOTAL], ids=["intensive", "extensive"])
def test_additive_labels_are_recovered_also_for_new_compositions(info):
    """Up to the ridge, whose share falls as one over the number of crystals."""
    new = batch_of(info, [11, 26, 26, 17, 17])
    errors = []
    for copies in (1, 10**2, 10**4):
        head = RegressionHead([info], 4, 4)
        batches = [batch_of(info, [11, 17], [11, 11, 17]), batch_of(info, [26], [26, 17, 17, 17])]
        head.fit(batches * copies)
        predicted = head.baseline_predictions(new)["composition"]["energy"]
        errors.append(abs((predicted / new.targets["energy"]).item() - 1))
    assert errors[1] == pytest.approx(errors[0] / 100, rel=0.5)
    assert errors[2] < 1e-5


def test_an_element_that_never_occurred_counts_as_the_mean():
    head = RegressionHead([ENERGY], 4, 4)
    head.fit([batch_of(ENERGY, [11], [17, 17])])
    uranium = Crystal(id="u", atomic_numbers=[92], positions=[[0, 0, 0]], cell=3 * np.eye(3))
    batch = CrystalBatch.from_crystals([uranium], [ENERGY])
    assert head.baseline_predictions(batch)["composition"]["energy"].item() == -2.25
