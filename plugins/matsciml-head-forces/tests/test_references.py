"""Reference energies: exact where composition decides, and careful where it cannot."""

import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, TargetInfo
from matsciml_head_forces.references import ReferenceFit, reference_energies

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
PER_ELEMENT = {3: -2.0, 15: -5.5, 16: -4.0}


def crystal(name, numbers, energy):
    cell = 3.0 * len(numbers) * torch.eye(3).numpy()
    positions = [[3.0 * k, 0.0, 0.0] for k in range(len(numbers))]
    labels = {} if energy is None else {"energy": energy}
    return Crystal(id=name, atomic_numbers=numbers, positions=positions, cell=cell, labels=labels)


def batch_of(*pairs):
    crystals = [crystal(str(k), numbers, energy) for k, (numbers, energy) in enumerate(pairs)]
    return CrystalBatch.from_crystals(crystals, [ENERGY])


def additive(numbers, extra=0.0):
    return numbers, sum(PER_ELEMENT[number] for number in numbers) + extra


def fit(*batches):
    found = ReferenceFit()
    for batch in batches:
        energies = batch.targets["energy"]
        found.add(batch, energies, ~energies.isnan())
    return found


def test_additive_energies_are_recovered_also_of_new_compositions():
    found = fit(
        batch_of(additive([3, 16]), additive([3, 3, 16]), ([3, 15], None)),
        batch_of(additive([15, 16, 16]), additive([15])),
    )
    references = found.solve()
    new = batch_of(additive([3, 3, 3, 15, 16, 16, 16, 16]))
    torch.testing.assert_close(reference_energies(references, new), new.targets["energy"])
    mean, std = found.residual()
    assert mean.abs() < 1e-9
    assert std < 1e-6


def test_residual_is_what_is_left():
    torch.manual_seed(0)
    noise = torch.randn(60, dtype=torch.float64)
    compositions = [[3] * (1 + k % 3) + [15] * (k % 4) + [16] * (1 + k % 5) for k in range(60)]
    batch = batch_of(
        *(additive(numbers, float(n)) for numbers, n in zip(compositions, noise, strict=True))
    )
    found = fit(batch)
    rest = batch.targets["energy"] - reference_energies(found.solve(), batch)
    rest = rest / batch.atoms_per_crystal
    mean, std = found.residual()
    assert mean.item() == pytest.approx(rest.mean().item(), abs=1e-10)
    assert std.item() == pytest.approx(rest.std(correction=0).item(), rel=1e-8)


def test_one_composition_gives_every_element_the_mean():
    numbers = [3] * 27 + [15] * 12 + [16] * 44
    found = fit(batch_of((numbers, -357.0), (numbers, -358.0)))
    references = found.solve()
    expected = torch.full((119,), -357.5 / 83, dtype=torch.float64)
    torch.testing.assert_close(references, expected)
    _, std = found.residual()
    assert std.item() == pytest.approx(0.5 / 83)


def test_elements_that_never_occurred_count_as_the_mean_energy_per_atom():
    found = fit(batch_of(additive([3]), additive([16, 16])))
    assert found.solve()[92].item() == pytest.approx(-3.0)


def test_huge_energies_keep_their_small_differences():
    offset = -1.5e6
    found = fit(batch_of(([3], offset), ([3], offset + 1e-3)))
    _, std = found.residual()
    assert std.item() == pytest.approx(5e-4, rel=1e-4)


def test_unlabelled_crystals_do_not_matter():
    full = fit(batch_of(additive([3, 16]), additive([15])))
    holed = fit(batch_of(([3, 15, 16], None), additive([3, 16]), additive([15])))
    assert torch.equal(full.solve(), holed.solve())
    assert holed.count == 2
