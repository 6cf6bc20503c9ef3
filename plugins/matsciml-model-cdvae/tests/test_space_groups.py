"""Space groups: Wyckoff positions, and the orbits that atoms can fill."""

from collections import Counter

import moyopy
import numpy as np
import pytest
import torch

from matsciml_model_cdvae.orbits import can_occupy, occupy
from matsciml_model_cdvae.space_groups import space_group

# International Tables for Crystallography A: number of positions, and multiplicity of the general
# one in the primitive cell.
TABLES = [(1, 1, 1), (2, 9, 2), (14, 5, 4), (47, 27, 8), (62, 4, 8), (123, 21, 16), (146, 2, 3)]
TABLES += [(166, 9, 12), (194, 12, 24), (198, 2, 12), (225, 12, 48), (227, 9, 48), (230, 8, 48)]


@pytest.mark.parametrize(("number", "count", "general"), TABLES)
def test_positions_are_those_of_the_international_tables(number, count, general):
    group = space_group(number)
    assert len(group.positions) == count
    assert group.positions[0].multiplicity == general == len(group.rotations)
    found = moyopy.SpaceGroup(group.rotations.tolist(), group.translations.tolist())
    assert found.number == number


@pytest.mark.slow
def test_all_groups_have_1731_positions():
    assert sum(len(space_group(number).positions) for number in range(1, 231)) == 1731


def test_multiplicities_of_rock_salt_and_diamond():
    # 4a 4b 8c 24d 24e 32f 48g … of Fm-3m, over the four lattice points of its cube.
    expected = {1: 2, 2: 1, 6: 2, 8: 1, 12: 3, 24: 2, 48: 1}
    assert Counter(p.multiplicity for p in space_group(225).positions) == expected
    assert Counter(p.multiplicity for p in space_group(227).positions) == {
        2: 2,
        4: 2,
        8: 1,
        12: 1,
        24: 2,
        48: 1,
    }


@pytest.mark.parametrize("number", [5, 62, 148, 186, 221, 227])
def test_an_orbit_is_closed_under_the_operations(number):
    group = space_group(number)
    for position in group.positions:
        point = position.base + position.directions @ np.array([0.123, 0.456, 0.789])
        orbit = position.rotations @ point + position.translations
        assert np.allclose(orbit[0], point)
        for rotation, translation in zip(group.rotations, group.translations, strict=True):
            images = orbit @ rotation.T + translation
            misses = images[:, None] - orbit[None]
            misses = np.abs(misses - np.rint(misses)).max(2)
            assert (misses.min(1) < 1e-6).all()
        distances = orbit[:, None] - orbit[None]
        distances = np.abs(distances - np.rint(distances)).max(2)
        assert (distances + np.eye(len(orbit)) > 1e-3).all()


@pytest.mark.parametrize(
    ("number", "counts", "possible"),
    [
        (225, [1, 1], True),  # rock salt
        (225, [1, 2], True),  # fluorite
        (225, [1, 1, 1], False),  # two points of multiplicity 1
        (225, [5], False),
        (225, [1, 6], True),
        (227, [1], False),
        (227, [2], True),  # diamond
        (227, [2, 2], True),
        (227, [2, 2, 2], False),
        (221, [1, 1, 3], True),  # perovskite
        (221, [3, 3, 3], False),
        (1, [7, 5, 1], True),
        (62, [4, 4, 12], True),
        (62, [4, 2], False),
    ],
)
def test_what_fills_whole_orbits(number, counts, possible):
    assert can_occupy(number, counts) is possible


@pytest.mark.parametrize(("number", "counts"), [(221, [1, 1, 3]), (225, [1, 7]), (47, [3, 5, 2])])
def test_occupied_positions_hold_all_atoms_and_points_only_once(number, counts):
    positions = space_group(number).positions
    generator = torch.Generator().manual_seed(0)
    found = set()
    for _ in range(30):
        orbits = occupy(number, counts, generator)
        filled = [0] * len(counts)
        for species, index in orbits:
            filled[species] += positions[index].multiplicity
        assert filled == counts
        points = [index for _, index in orbits if positions[index].is_point]
        assert len(set(points)) == len(points)
        found.add(tuple(orbits))
    assert len(found) > 1
