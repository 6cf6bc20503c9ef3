"""The sample crystals are crystals, and each transformation does what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.ingestion.geometry import check_geometry, measure_geometry
from matsciml_core.data.neighbours.neighbour_list import find_edges
from matsciml_core.errors import GeometryError
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.testing import crystals, transforms

SAMPLES = crystals.all_crystals()
BY_ID = {"ids": [crystal.id for crystal in SAMPLES]}


def distances(crystal, cutoff=5.0):
    """Sorted distances around each atom, which describe the crystal in any coordinates."""
    (sender, receiver), shifts = find_edges(
        crystal.positions,
        crystal.cell[None],
        crystal.pbc[None],
        np.array([crystal.num_atoms]),
        Neighbourhood(cutoff=cutoff),
    )
    vectors = crystal.positions[receiver] - crystal.positions[sender] - shifts @ crystal.cell
    lengths = np.linalg.norm(vectors, axis=1)
    return [np.sort(lengths[receiver == atom]) for atom in range(crystal.num_atoms)]


def assert_same_crystal(found, expected, order=None):
    ours, theirs = distances(found), distances(expected)
    for atom, lengths in enumerate(ours):
        other = theirs[atom if order is None else order[atom]]
        np.testing.assert_allclose(lengths, other, atol=1e-9)
    assert found.volume / found.num_atoms == pytest.approx(expected.volume / expected.num_atoms)


class TestCrystals:
    @pytest.mark.parametrize("crystal", SAMPLES, **BY_ID)
    def test_they_are_plausible(self, crystal):
        check_geometry(crystal)

    @pytest.mark.parametrize(
        ("crystal", "distance", "neighbours"),
        [
            (crystals.sodium_chloride(), 5.6402 / 2, 6),
            (crystals.bcc_iron(), 2.8665 * np.sqrt(3) / 2, 8),
            (crystals.hcp_magnesium(), 3.1972, 6),
            (crystals.simple_cubic(3.36), 3.36, 6),
        ],
        ids=["NaCl", "Fe", "Mg", "Po"],
    )
    def test_nearest_neighbours_are_those_of_the_textbook(self, crystal, distance, neighbours):
        lengths = distances(crystal)[0]
        assert lengths[0] == pytest.approx(distance, abs=1e-4)
        assert np.sum(lengths < lengths[0] + 1e-4) == neighbours

    def test_the_triclinic_one_has_no_symmetry(self):
        lengths = np.concatenate(distances(crystals.triclinic(), cutoff=4.0))
        # Every pair is found twice, once from each end; an atom's images come in opposite pairs.
        assert len(np.unique(lengths.round(6))) > len(lengths) / 3
        assert not crystals.triclinic().fractional.min() >= 0

    def test_sizes_are_unequal(self):
        assert sorted(crystal.num_atoms for crystal in SAMPLES) == [1, 2, 2, 5]

    @pytest.mark.parametrize("reach", [2.0, 6.0, 12.0])
    def test_isolated_atoms_are_isolated(self, reach):
        for crystal in (crystals.isolated_atom(reach), crystals.distant_pair(reach)):
            assert all(not len(lengths) for lengths in distances(crystal, reach))


class TestSameCrystal:
    random = np.random.default_rng(0)

    @pytest.mark.parametrize("crystal", SAMPLES, **BY_ID)
    def test_moved_turned_and_mirrored(self, crystal):
        turn = transforms.random_rotation(self.random)
        assert_same_crystal(transforms.translate(crystal, [1.0, -2.0, 0.5]), crystal)
        assert_same_crystal(transforms.transform(crystal, turn), crystal)
        assert_same_crystal(transforms.transform(crystal, -turn), crystal)

    @pytest.mark.parametrize("crystal", SAMPLES, **BY_ID)
    def test_other_images_and_wrapped(self, crystal):
        shifts = self.random.integers(-2, 3, size=(crystal.num_atoms, 3))
        moved = transforms.move_to_images(crystal, shifts)
        assert_same_crystal(moved, crystal)
        wrapped = transforms.wrap(moved)
        assert_same_crystal(wrapped, crystal)
        assert ((wrapped.fractional > -1e-9) & (wrapped.fractional < 1 + 1e-9)).all()

    def test_another_order(self):
        crystal, order = crystals.triclinic(), [3, 1, 0, 4, 2]
        found = transforms.permute(crystal, order)
        assert_same_crystal(found, crystal, order)
        assert found.atomic_numbers.tolist() == [8, 41, 19, 9, 8]

    def test_another_basis(self):
        crystal = crystals.triclinic()
        found = transforms.change_basis(crystal, [[1, 1, 0], [0, 1, 0], [2, 0, 1]])
        assert_same_crystal(found, crystal)
        assert not np.allclose(found.cell, crystal.cell)

    @pytest.mark.parametrize("matrix", [np.diag([2, 1, 1]), np.zeros((3, 3), dtype=int)])
    def test_a_basis_of_another_lattice_is_refused(self, matrix):
        with pytest.raises(GeometryError, match="determinant 1 or −1"):
            transforms.change_basis(crystals.triclinic(), matrix)

    @pytest.mark.parametrize(
        ("matrix", "times"),
        [
            (np.diag([2, 1, 1]), 2),
            (np.diag([2, 3, 1]), 6),
            (np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]]), 2),
            (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), 2),
            (np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]), 4),
        ],
    )
    @pytest.mark.parametrize("crystal", SAMPLES, **BY_ID)
    def test_supercells(self, crystal, matrix, times):
        found, origin = transforms.supercell(crystal, matrix)
        assert found.num_atoms == times * crystal.num_atoms
        assert found.volume == pytest.approx(times * crystal.volume)
        assert_same_crystal(found, crystal, origin)
        assert (found.atomic_numbers == crystal.atomic_numbers[origin]).all()


class TestOtherCrystals:
    def test_scaled(self):
        found = transforms.scale(crystals.triclinic(), 1.1)
        before, after = (measure_geometry(one) for one in (crystals.triclinic(), found))
        assert after.shortest_distance == pytest.approx(1.1 * before.shortest_distance)
        assert after.volume_per_atom == pytest.approx(1.1**3 * before.volume_per_atom)

    def test_displaced_and_substituted(self):
        crystal = crystals.sodium_chloride()
        moved = transforms.displace(crystal, [[0, 0, 0], [0.1, 0, 0]])
        assert moved.positions[1, 0] == pytest.approx(crystal.positions[1, 0] + 0.1)
        assert transforms.substitute(crystal, [19, 17]).atomic_numbers.tolist() == [19, 17]
        assert crystal.atomic_numbers.tolist() == [11, 17]


def test_rotations_are_proper_and_fill_the_sphere():
    random = np.random.default_rng(1)
    matrices = np.stack([transforms.random_rotation(random) for _ in range(500)])
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), [np.eye(3)] * 500, atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0)
    assert np.abs(matrices.mean(axis=0)).max() < 0.1
