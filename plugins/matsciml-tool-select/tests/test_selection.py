"""What is taken of a pool whose embeddings and spreads are known."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_tool_select.selection import nearest_distances, scale, select_structures

LINE = np.array([[0.0], [1.0], [2.0], [10.0]], dtype=np.float32)
NONE = LINE[:0]


def taken(*arguments, **options):
    return [one.index for one in select_structures(*arguments, **options).choices]


def test_typical_structures_have_the_distance_one():
    random = np.random.default_rng(0)
    rows = (random.normal(size=(4000, 3)) * [1.0, 50.0, 1e-3]).astype(np.float32)
    scaled, rest = scale(rows[:3000], rows[3000:])
    squares = ((scaled[:1000] - rest) ** 2).sum(axis=1)
    assert squares.mean() == pytest.approx(1.0, rel=0.05)


def test_columns_that_are_the_same_for_all_do_not_count():
    rows = np.array([[0.1, 1.0], [0.1, 2.0]], dtype=np.float32)
    scaled, _ = scale(rows, rows[:0])
    assert scaled.shape == (2, 1)
    same, _ = scale(np.full((3, 2), 7.0, np.float32), rows[:0])
    assert nearest_distances(same, same[:1]).tolist() == [0.0, 0.0, 0.0]


def test_distances_are_those_of_a_loop():
    random = np.random.default_rng(1)
    rows, others = random.normal(size=(20, 4)), random.normal(size=(2100, 4))  # several blocks
    expected = [np.linalg.norm(others - row, axis=1).min() for row in rows]
    np.testing.assert_allclose(nearest_distances(rows, others), expected)


def test_diversity_takes_the_farthest_from_training_and_from_those_taken():
    choices = select_structures(LINE, np.zeros((1, 1), np.float32), 3, by="diversity").choices
    # From 0 the farthest is 10; then 2 is farther from both than 1.
    assert [one.index for one in choices] == [3, 2, 1]
    assert choices[0].to_taken == np.inf
    # The scale is that of the pool: ten units are to two units as these distances are.
    assert choices[0].to_training / choices[1].to_training == pytest.approx(5.0)
    assert choices[1].to_training / choices[1].to_taken == pytest.approx(2.0 / 8.0)


def test_diversity_without_a_training_set_begins_in_the_middle_of_the_pool():
    assert taken(LINE, NONE, 2, by="diversity") == [2, 3]


def test_spread_takes_the_largest_first():
    spreads = np.array([0.1, 0.4, 0.2, 0.3])
    assert taken(LINE, NONE, 3, by="spread", spreads=spreads) == [1, 3, 2]


def test_both_draws_in_proportion_to_spread_times_distance():
    pool = np.array([[1.0], [2.0], [4.0]], dtype=np.float32)
    spreads = np.array([4.0, 2.0, 2.0])
    training = np.zeros((1, 1), np.float32)
    first = [taken(pool, training, 1, spreads=spreads, seed=seed)[0] for seed in range(600)]
    shares = np.bincount(first, minlength=3) / len(first)
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.5], atol=0.06)


def test_both_never_takes_what_the_models_agree_on_as_long_as_they_differ_on_another():
    spreads = np.array([0.0, 0.0, 1.0, 0.0])
    assert {taken(LINE, NONE, 1, spreads=spreads, seed=seed)[0] for seed in range(20)} == {2}
    assert sorted(taken(LINE, NONE, 4, spreads=np.zeros(4))) == [0, 1, 2, 3]


def test_random_is_repeated_by_its_seed_and_takes_all_in_the_end():
    first, second = (taken(LINE, NONE, 4, by="random", seed=seed) for seed in (1, 2))
    assert first == taken(LINE, NONE, 4, by="random", seed=1)
    assert first != second
    assert sorted(first) == [0, 1, 2, 3]


@pytest.mark.parametrize("by", ["both", "spread", "diversity", "random"])
def test_no_way_takes_near_twins(by):
    pool = np.array([[0.0], [0.001], [5.0], [5.001], [9.0]], dtype=np.float32)
    training = np.array([[9.001]], dtype=np.float32)
    found = select_structures(pool, training, 5, by=by, spreads=np.arange(1.0, 6.0))
    assert sorted(one.index // 2 for one in found.choices) == [0, 1]  # one of each pair
    assert (found.twins_of_training, found.twins_of_taken) == (1, 2)


def test_no_structure_is_taken_twice_without_a_limit_on_the_distance():
    same = np.zeros((3, 1), np.float32)
    assert sorted(taken(same, NONE, 5, by="diversity", min_distance=0.0)) == [0, 1, 2]
