"""Niggli reduction, against pymatgen's and against itself in another basis."""

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice

from matsciml_model_cdvae.lattice import lattice_parameters
from matsciml_model_cdvae.niggli import niggli_reduced

SPECIAL = [
    Lattice.cubic(4.0),
    Lattice([[0, 2, 2], [2, 0, 2], [2, 2, 0]]),
    Lattice([[-2, 2, 2], [2, -2, 2], [2, 2, -2]]),
    Lattice.hexagonal(3.2, 5.2),
    Lattice.tetragonal(3.0, 6.0),
    Lattice.rhombohedral(4.0, 75.0),
    Lattice.monoclinic(4.0, 5.0, 6.0, 103.0),
    Lattice.from_parameters(9.0, 3.0, 5.0, 90.0, 60.0, 120.0),
]


def _random(count: int) -> torch.Tensor:
    random = np.random.default_rng(0)
    return torch.from_numpy(3 * np.eye(3) + random.uniform(-3, 3, (count, 3, 3)))


def test_special_lattices_are_as_pymatgen_has_them():
    cells = torch.tensor(np.array([lattice.matrix for lattice in SPECIAL]))
    found = lattice_parameters(niggli_reduced(cells))
    for lattice, parameters in zip(SPECIAL, found, strict=True):
        expected = lattice.get_niggli_reduced_lattice().parameters
        assert parameters.tolist() == pytest.approx(expected, abs=1e-4)


def test_random_lattices_are_as_pymatgen_has_them():
    cells = _random(60)
    cells = cells[torch.linalg.det(cells).abs() > 5.0]
    found = lattice_parameters(niggli_reduced(cells))
    for cell, parameters in zip(cells, found, strict=True):
        expected = Lattice(cell.numpy()).get_niggli_reduced_lattice().parameters
        assert parameters.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("number", range(len(SPECIAL)))
def test_the_basis_in_which_a_lattice_is_given_does_not_matter(number):
    random = np.random.default_rng(number)
    cell = torch.tensor(np.array(SPECIAL[number].matrix))
    expected = lattice_parameters(niggli_reduced(cell.unsqueeze(0)))[0]
    changes = []
    for _ in range(20):
        lower = np.tril(random.integers(-2, 3, (3, 3)), -1) + np.eye(3)
        upper = np.triu(random.integers(-2, 3, (3, 3)), 1) + np.eye(3)
        changes.append(torch.tensor(random.permutation(lower @ upper)) @ cell)
    found = niggli_reduced(torch.stack(changes))
    for parameters in lattice_parameters(found):
        assert parameters.tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    # It is the same lattice: the new vectors are whole combinations of the old ones.
    whole = found @ torch.linalg.inv(cell)
    torch.testing.assert_close(whole, whole.round(), rtol=0, atol=1e-8)
    torch.testing.assert_close(
        torch.linalg.det(whole).abs(), torch.ones(20, dtype=torch.float64), rtol=0, atol=1e-6
    )


def test_float32_stays_float32():
    assert niggli_reduced(_random(3).float()).dtype == torch.float32
