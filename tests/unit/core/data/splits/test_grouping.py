"""Groups are what they are called: twins are one prototype, and no group is made up in silence."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matsciml_core.convert import from_pymatgen
from matsciml_core.data.leaks.search import find_leaks
from matsciml_core.data.splits.algorithms import blocked_split, grouped_split, stratified_split
from matsciml_core.data.splits.grouping import (
    SYMPREC,
    crystal_systems,
    prototypes,
    series,
    trajectories,
    unhanded,
)
from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.errors import SplitError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset, Provenance
from matsciml_core.interfaces.split import random_split


class Listed(Dataset):
    """Crystals in a list."""

    targets = {}
    provenance = Provenance(source="test")

    def __init__(self, crystals):
        super().__init__()
        self._crystals = list(crystals)

    def __len__(self):
        return len(self._crystals)

    def __getitem__(self, index):
        return self._crystals[index]


PAIRS = [
    (76, 78),
    (91, 95),
    (92, 96),
    (144, 145),
    (151, 153),
    (152, 154),
    (169, 170),
    (171, 172),
    (178, 179),
    (180, 181),
    (212, 213),
]


def lattice(number: int) -> Lattice:
    if number < 100:
        return Lattice.tetragonal(6.1, 9.3)
    return Lattice.cubic(9.2) if number > 200 else Lattice.hexagonal(6.4, 10.1)


def twins(pair: tuple[int, int]) -> list[Crystal]:
    """A crystal of the first space group, and its mirror image."""
    sites = [[0.13, 0.27, 0.06], [0.31, 0.42, 0.21]]  # general positions
    left = Structure.from_spacegroup(pair[0], lattice(pair[0]), ["Si", "O"], sites)
    mirrored = Lattice(left.lattice.matrix * [1, 1, -1])
    right = Structure(mirrored, left.species, left.frac_coords)
    return [from_pymatgen(one, id=name) for one, name in ((left, "left"), (right, "right"))]


@pytest.mark.parametrize("pair", PAIRS)
def test_twins_are_the_same_crystal(pair):
    both = twins(pair)
    assert [find_space_group(one, SYMPREC) for one in both] == list(pair)
    dataset = Listed(both)
    assert len(set(prototypes(dataset))) == 1
    halves = {"twins": [("train", np.array([0])), ("validation", np.array([1]))]}
    assert find_leaks({"twins": dataset}, halves).overlaps[0, 1] == 1


def test_no_other_space_groups_are_joined():
    names = [unhanded(number) for number in range(1, 231)]
    assert len(set(names)) == 230 - len(PAIRS)
    assert all(unhanded(high) == unhanded(low) == low for low, high in PAIRS)


@pytest.mark.parametrize("group", [prototypes, crystal_systems])
def test_molecules_have_no_space_groups_to_split_by(group):
    molecule = Crystal(
        id="a",
        atomic_numbers=[1, 1],
        positions=[[0, 0, 0], [0, 0, 0.74]],
        cell=np.zeros((3, 3)),
        pbc=False,
    )
    with pytest.raises(SplitError, match="No structure is periodic"):
        group(Listed([molecule]))


def test_frames_without_trajectories_are_not_grouped_by_them():
    assert trajectories(["a/1", "a/2", "b"]) == ["a", "a", "b"]
    for ids in (["1", "2", "3"], ["a/1", "b/1"]):
        with pytest.raises(SplitError, match="No two crystals are of one trajectory"):
            trajectories(ids)


IDS = [f"id-{number}" for number in range(20)]


@pytest.mark.parametrize(
    "fractions",
    [(np.nan, 0.1, 0.1), (np.inf, 1, 1), (-1, 1, 1), (0, 0, 0), (1, 1), (1, 1, 1, 1)],
)
@pytest.mark.parametrize(
    "split",
    [
        lambda fractions: random_split(IDS, fractions=fractions),
        lambda fractions: grouped_split(IDS, IDS, by="id", fractions=fractions),
        lambda fractions: stratified_split(IDS, ["a"] * 20, by="a", fractions=fractions),
        lambda fractions: blocked_split(IDS, fractions=fractions),
    ],
    ids=["random", "grouped", "stratified", "blocked"],
)
def test_shares_that_are_none_are_refused(split, fractions):
    with pytest.raises(SplitError, match="are no shares of training, validation and test"):
        split(fractions)


def test_what_a_series_is_made_of_is_said():
    assert series(["a/1", "a/2", "b/1", "b/2"]) == (["a", "a", "b", "b"], "")
    names, said = series(["1", "2", "3"])
    assert names == ["", "", ""]
    assert "all are taken as one series in the order of the records" in said
    names, said = series(["a/1", "a/2", "1", "2"])
    assert names == ["a", "a", "", ""]
    assert said.startswith("2 of 4 crystals are of no trajectory")
    with pytest.raises(SplitError, match="No two crystals are of one trajectory"):
        series(["a/1", "b/1", "c"])
