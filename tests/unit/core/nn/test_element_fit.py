"""Least squares on elements: exact where composition decides, and careful where it cannot."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from matsciml_core import Crystal, CrystalBatch
from matsciml_core.nn.element_fit import ElementFit, element_sums

PER_ELEMENT = {3: -2.0, 15: -5.5, 16: -4.0}


def batch_of(*compositions: list[int]) -> CrystalBatch:
    """Return crystals with these atoms."""
    return CrystalBatch.from_crystals(
        [
            Crystal(
                id=str(index),
                atomic_numbers=numbers,
                positions=[[3.0 * k, 0.0, 0.0] for k in range(len(numbers))],
                cell=3.0 * len(numbers) * torch.eye(3).numpy(),
            )
            for index, numbers in enumerate(compositions)
        ]
    )


def additive(batch: CrystalBatch) -> Tensor:
    """Return the mean over the atoms of what their elements bring."""
    table = torch.zeros(119, dtype=torch.float64)
    for number, value in PER_ELEMENT.items():
        table[number] = value
    return element_sums(table, batch) / batch.atoms_per_crystal


def fitted(batch: CrystalBatch, values: Tensor) -> ElementFit:
    """Return the fit of values, NaN where missing."""
    fit = ElementFit(tuple(values.shape[1:]))
    fit.add(
        batch, values, ~values.flatten(1).isnan().any(1) if values.dim() > 1 else ~values.isnan()
    )
    return fit


def test_additive_values_are_recovered_also_of_new_compositions() -> None:
    training = batch_of([3, 16], [3, 3, 16], [15, 16, 16], [15])
    new = batch_of([3, 3, 3, 15, 16, 16, 16, 16])
    fit = fitted(training, additive(training))
    found = element_sums(fit.solve(), new) / new.atoms_per_crystal
    torch.testing.assert_close(found, additive(new))
    mean, std = fit.residual()
    assert mean.abs() < 1e-9
    assert std < 1e-6


def test_batches_add_up() -> None:
    training = batch_of([3, 16], [3, 3, 16], [15, 16, 16], [15])
    whole, parts = fitted(training, additive(training)), ElementFit()
    for batch in (batch_of([3, 16], [3, 3, 16]), batch_of([15, 16, 16], [15])):
        parts.add(batch, additive(batch), torch.ones(2, dtype=torch.bool))
    torch.testing.assert_close(parts.solve(), whole.solve())


def test_rare_elements_are_not_drawn_towards_the_mean() -> None:
    """Where the data determine a coefficient, it is what they say, however few they are."""
    batch = batch_of(*[[3]] * 200, [15, *[3] * 99])
    values = torch.full((201,), 1000.0, dtype=torch.float64)
    values[200] = 1001.0
    assert fitted(batch, values).solve()[15].item() == pytest.approx(1100.0, rel=1e-9)


def test_elements_that_never_occurred_count_as_the_mean() -> None:
    batch = batch_of([3], [16])
    assert fitted(batch, additive(batch)).solve()[92].item() == pytest.approx(-3.0)


def test_elements_that_always_occur_together_share_what_they_bring() -> None:
    batch = batch_of([11, 17], [26])
    coefficients = fitted(batch, torch.tensor([-2.0, 1.0])).solve()
    assert coefficients[11].item() == pytest.approx(coefficients[17].item())
    found = element_sums(coefficients, batch) / batch.atoms_per_crystal
    torch.testing.assert_close(found, torch.tensor([-2.0, 1.0], dtype=torch.float64))


def test_one_composition_gives_every_element_the_mean() -> None:
    numbers = [3] * 27 + [15] * 12 + [16] * 44
    fit = fitted(batch_of(numbers, numbers), torch.tensor([-4.3, -4.4], dtype=torch.float64))
    torch.testing.assert_close(fit.solve(), torch.full((119,), -4.35, dtype=torch.float64))
    assert fit.residual()[1].item() == pytest.approx(0.05)


def test_residual_is_what_is_left() -> None:
    torch.manual_seed(0)
    batch = batch_of(*([3] * (1 + k % 3) + [15] * (k % 4) + [16] * (1 + k % 5) for k in range(60)))
    values = additive(batch) + torch.randn(60, dtype=torch.float64)
    fit = fitted(batch, values)
    rest = values - element_sums(fit.solve(), batch) / batch.atoms_per_crystal
    mean, std = fit.residual()
    assert mean.item() == pytest.approx(rest.mean().item(), abs=1e-10)
    assert std.item() == pytest.approx(rest.std(correction=0).item(), rel=1e-8)


def test_huge_values_keep_their_small_differences() -> None:
    values = torch.tensor([-1.5e6, -1.5e6 + 1e-3], dtype=torch.float64)
    assert fitted(batch_of([3], [3]), values).residual()[1].item() == pytest.approx(5e-4, rel=1e-4)


def test_unlabelled_crystals_do_not_matter() -> None:
    full, holed = batch_of([3, 16], [15]), batch_of([3, 15, 16], [3, 16], [15])
    values = additive(holed)
    values[0] = torch.nan
    assert torch.equal(fitted(full, additive(full)).solve(), fitted(holed, values).solve())
    assert fitted(holed, values).count == 2


def test_values_with_several_numbers_are_fitted_one_by_one() -> None:
    torch.manual_seed(0)
    batch = batch_of([3, 16], [3, 3, 16], [15, 16, 16], [15], [3, 15])
    values = torch.randn(5, 4, dtype=torch.float64)
    fit = fitted(batch, values)
    for column in range(4):
        alone = fitted(batch, values[:, column])
        torch.testing.assert_close(fit.solve()[:, column], alone.solve())
        torch.testing.assert_close(fit.residual()[1][column], alone.residual()[1])


def test_a_ridge_draws_rare_elements_to_the_mean_and_leaves_frequent_ones() -> None:
    values = torch.tensor([1.0] * 99 + [2.0], dtype=torch.float64)
    fit = fitted(batch_of(*[[26]] * 99, [92]), values)
    free, drawn, mean = fit.solve(), fit.solve(1.0), values.mean().item()
    assert free[26].item() == pytest.approx(1.0)
    assert free[92].item() == pytest.approx(2.0)
    # Of crystals of one element each: c − mean = n (ȳ − mean) / (n + λ).
    assert drawn[26].item() == pytest.approx(mean + 99 * (1.0 - mean) / 100)
    assert drawn[92].item() == pytest.approx(mean + (2.0 - mean) / 2)
