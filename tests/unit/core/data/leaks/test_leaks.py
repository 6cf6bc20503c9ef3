"""Leaks are found whatever the description of a structure, and nothing else is."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matsciml_core.data.leaks.fingerprint import WIDTH, composition_keys, fingerprints
from matsciml_core.data.leaks.search import (
    MOST_CONFIRMED,
    TOLERANCE,
    cluster,
    count_overlaps,
    find_leaks,
)
from matsciml_core.data.splits.grouping import reduced_composition, space_group
from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Dataset, Provenance


class Listed(Dataset):
    """Crystals in a list."""

    def __init__(self, crystals):
        super().__init__()
        self._crystals = list(crystals)

    targets = {}
    provenance = Provenance(source="test")

    def __len__(self):
        return len(self._crystals)

    def __getitem__(self, index):
        return self._crystals[index]


def crystal(seed: int, atoms: int = 6, name: str | None = None) -> Crystal:
    """A random crystal without overlapping atoms."""
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(4, 6, 3)) + random.normal(0, 0.4, (3, 3))
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3), -1).reshape(-1, 3)[:atoms] / 2
    fractional = grid + random.uniform(-0.07, 0.07, (atoms, 3))
    numbers = random.choice([8, 14, 26], atoms)
    numbers[:3] = [8, 14, 26]
    return Crystal.from_fractional(
        id=name or f"c{seed}", atomic_numbers=numbers, fractional=fractional, cell=cell
    )


def described_otherwise(original: Crystal, seed: int, noise: float = 0.0) -> Crystal:
    """The same crystal: supercell, turned, mirrored, moved, reordered, scaled, shaken a little."""
    random = np.random.default_rng(seed)
    images = np.array([[0, 0, 0], [0, 1, 0]])
    positions = (original.positions[None] + (images @ original.cell)[:, None]).reshape(-1, 3)
    cell = original.cell * np.array([1, 2, 1])[:, None]
    cell = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ cell  # another basis of the same lattice
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    positions = positions + random.normal(0, noise, positions.shape) + random.normal(size=3)
    order = random.permutation(len(positions))
    scale = random.uniform(0.99, 1.01)
    return Crystal(
        id=f"{original.id}-{seed}",
        atomic_numbers=np.tile(original.atomic_numbers, 2)[order],
        positions=(positions @ rotation)[order] * scale,
        cell=cell @ rotation * scale,
    )


def batch(*crystals: Crystal) -> CrystalBatch:
    return CrystalBatch.from_crystals(crystals)


@given(seed=st.integers(0, 10_000), atoms=st.integers(3, 8))
@settings(max_examples=30, deadline=None)
def test_a_fingerprint_does_not_depend_on_the_description(seed, atoms):
    one = crystal(seed, atoms)
    prints = fingerprints(batch(one, described_otherwise(one, seed + 1)))
    assert prints.shape == (2, WIDTH)
    assert np.abs(prints[0] - prints[1]).max() < 1e-5
    keys = composition_keys(batch(one, described_otherwise(one, seed + 1)))
    assert keys[0] == keys[1]


def test_a_fingerprint_of_a_batch_is_that_of_each():
    crystals = [crystal(seed, 3 + seed % 6) for seed in range(20)]
    together = fingerprints(batch(*crystals))
    alone = np.concatenate([fingerprints(batch(one)) for one in crystals])
    assert np.abs(together - alone).max() < 1e-6


def test_a_fingerprint_changes_little_with_little_changes_and_much_with_others():
    originals = [crystal(seed) for seed in range(40)]
    prints = fingerprints(batch(*originals))
    others = [described_otherwise(one, k, 0.01) for k, one in enumerate(originals)]
    shaken = fingerprints(batch(*others))
    assert np.abs(prints - shaken).max() < TOLERANCE
    swapped = []
    for one in originals:
        numbers = one.atomic_numbers.copy()
        numbers[[0, 2]] = numbers[[2, 0]]
        swapped.append(Crystal(**{**vars(one), "atomic_numbers": numbers}))
    other = np.abs(prints - fingerprints(batch(*swapped))).max(axis=1)
    assert np.median(other) > TOLERANCE


def test_compositions_are_told_apart():
    cell = np.eye(3) * 6.0
    numbers = [[1, 2], [2, 1], [1, 1, 2, 2], [1, 2, 2], [1, 3], [3], [3, 3], [1, 1, 2]]
    crystals = [
        Crystal(
            id=str(k),
            atomic_numbers=z,
            positions=np.arange(len(z))[:, None] * np.array([1.2, 1, 0.8]),
            cell=cell,
        )
        for k, z in enumerate(numbers)
    ]
    keys = composition_keys(batch(*crystals)).tolist()
    texts = [reduced_composition(c.atomic_numbers) for c in crystals]
    assert [texts.index(text) for text in texts] == [keys.index(key) for key in keys]
    assert texts[:2] == ["1:1 2:1", "1:1 2:1"]


@pytest.mark.parametrize("confirm", [True, False])
def test_a_table_of_overlaps_between_subsets_and_datasets(confirm):
    base = [crystal(seed) for seed in range(12)]
    one = Listed([*base[:8], described_otherwise(base[0], 1), described_otherwise(base[1], 2)])
    two = Listed([described_otherwise(base[k], k) for k in (1, 4, 9)] + [crystal(99), crystal(98)])
    subsets = {
        "one": [("train", np.arange(8)), ("test", np.array([8, 9]))],
        "two": [("", np.arange(5))],
    }
    found = find_leaks({"one": one, "two": two}, subsets, confirm=confirm)
    assert found.subsets == ("one/train", "one/test", "two")
    assert found.sizes == (8, 2, 5)
    assert found.overlaps.tolist() == [[0, 2, 2], [2, 0, 1], [2, 1, 0]]
    assert {"one/train:c0", "one/test:c0-1"} in map(set, found.examples)
    assert (found.confirmed, found.told_apart) == (4, 0)


def test_structure_matcher_has_the_last_word():
    # Same composition and nearly the same surroundings, but another stacking.
    def stacked(name, layers):
        height, a = 2.05, 2.5
        sites = {"A": (0, 0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
        fractional = [[*sites[s], k / len(layers)] for k, s in enumerate(layers)]
        cell = [[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, height * len(layers)]]
        return Crystal.from_fractional(
            id=name, atomic_numbers=[27] * len(layers), fractional=fractional, cell=cell
        )

    pair = Listed([stacked("hcp", "ABABAB"), stacked("fcc", "ABCABC"), stacked("again", "BABA")])
    assert find_leaks({"x": pair}).overlaps.tolist() == [[2]]
    assert space_group(pair[0]) == 194
    assert space_group(pair[1]) == 225


def distorted_perovskite(name: str, shift: float) -> Crystal:
    """SrTiO₃ with titanium moved along z by a fraction of the lattice constant."""
    fractional = [[0, 0, 0], [0.5, 0.5, 0.5 + shift], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Crystal.from_fractional(
        id=name,
        atomic_numbers=[38, 22, 8, 8, 8],
        fractional=fractional,
        cell=np.eye(3) * 3.9,
    )


def test_the_space_group_is_subset_of_the_key():
    cubic, polar = distorted_perovskite("cubic", 0.0), distorted_perovskite("polar", 0.04)
    assert (space_group(cubic), space_group(polar)) == (221, 99)
    pair = Listed([cubic, polar, described_otherwise(polar, 3)])
    found = find_leaks({"x": pair}, tolerance=0.5)
    assert found.overlaps.tolist() == [[2]]
    assert (found.candidates, found.told_apart, found.confirmed) == (2, 1, 1)
    assert find_leaks({"x": pair}, tolerance=0.5, space_groups=False).overlaps.tolist() == [[3]]


def test_symmetry_is_searched_for_candidates_only(monkeypatch):
    searched = []

    def spy(crystal, symprec):
        searched.append(crystal.id)
        return find_space_group(crystal, symprec)

    monkeypatch.setattr("matsciml_core.data.leaks.search.find_space_group", spy)
    crystals = [crystal(seed) for seed in range(20)]
    find_leaks({"x": Listed([*crystals, described_otherwise(crystals[3], 1)])}, confirm=False)
    assert sorted(searched) == ["c3", "c3-1"]


def test_frames_that_all_look_alike_are_compared_a_bounded_number_of_times():
    asked = Counter()

    def never(one, other):
        asked[other] += 1
        return False

    prints = np.full((200, WIDTH), 0.5, dtype=np.float32)
    cluster(np.zeros(200, dtype=np.uint64), prints, never, TOLERANCE)
    assert max(asked.values()) == MOST_CONFIRMED


def test_the_nearest_candidate_is_asked_first():
    prints = np.zeros((4, WIDTH), dtype=np.float32)
    prints[:, 1] = [0.0, 0.02, 0.009, 0.013]
    asked = []
    cluster(np.zeros(4, np.uint64), prints, lambda a, b: bool(asked.append((a, b))), 0.03)
    assert asked == [(0, 1), (0, 2), (1, 2), (2, 3), (1, 3), (0, 3)]


def test_molecules_without_a_cell_are_compared_by_their_surroundings():
    def molecule(name, length):
        return Crystal(
            id=name,
            atomic_numbers=np.array([8, 8]),
            positions=np.array([[0.0, 0, 0], [0, 0, length]]),
            cell=np.zeros((3, 3)),
            pbc=np.zeros(3, dtype=bool),
        )

    molecules = Listed([molecule("a", 1.2), molecule("b", 1.2), molecule("c", 1.5)])
    assert find_leaks({"x": molecules}).overlaps.tolist() == [[2]]


def test_every_duplicate_counts_once():
    groups = np.array([0, 0, 0, 3, 4, 4])
    owner = np.array([0, 0, 1, 1, 1, -1])
    assert count_overlaps(groups, owner, 2).tolist() == [[2, 2], [1, 0]]


def test_no_structure_is_lost_in_the_sorted_search():
    random = np.random.default_rng(3)
    prints = random.uniform(0, 1, (400, WIDTH)).astype(np.float32)
    prints[200:] = prints[:200] + random.uniform(-0.02, 0.02, (200, WIDTH)).astype(np.float32)
    keys = np.tile(random.integers(0, 5, 200).astype(np.uint64), 2)
    order = random.permutation(400)
    groups = cluster(keys[order], prints[order], lambda one, other: True, 0.05)
    for k in range(200):
        places = np.flatnonzero((order == k) | (order == k + 200))
        assert groups[places[0]] == groups[places[1]]
    assert len(np.unique(groups)) == 200


@pytest.mark.slow
def test_the_search_is_linear_in_the_number_of_structures():
    random = np.random.default_rng(0)
    seconds = []
    for size in (10_000, 100_000):
        keys = random.integers(0, size // 4, size).astype(np.uint64)
        prints = random.uniform(0, 1, (size, WIDTH)).astype(np.float32)
        started = time.process_time()
        cluster(keys, prints, lambda one, other: True, TOLERANCE)
        seconds.append(time.process_time() - started)
    assert seconds[1] < 10 * seconds[0] * 2.0
