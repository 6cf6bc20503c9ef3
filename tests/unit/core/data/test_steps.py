"""Joining the batches of several datasets into steps, in order, in shares, and resumed."""

from collections import Counter

import numpy as np
import pytest

from matsciml_core.data.loader import BatchSampler, BatchSource, CrystalLoader
from matsciml_core.data.steps import StepLoader
from matsciml_core.errors import ConfigError
from matsciml_core.testing.examples import ExampleDataset


def loader(count, batch_size=4, seed=0, num_workers=0):
    indices = np.arange(count)
    source = BatchSource(ExampleDataset(), indices, neighbourhood=None, labels=("energy",))
    sampler = BatchSampler(count, batch_size, shuffle=True, seed=seed)
    return CrystalLoader(source, sampler, num_workers=num_workers)


def two(mode, **settings):
    return StepLoader({"large": loader(40), "small": loader(11, seed=1)}, mode, **settings)


def joined(lists):
    return [item for one in lists for item in one]


def contents(steps):
    return [{name: list(batch.ids) for name, batch in step.items()} for step in steps]


def epoch(steps, number=0):
    steps.sampler.set_epoch(number)
    return contents(steps)


class TestTogether:
    def test_the_shorter_dataset_starts_over_in_a_new_order(self):
        found = epoch(two("max_size_cycle"))
        assert len(found) == len(two("max_size_cycle")) == 10
        assert all(step.keys() == {"large", "small"} for step in found)
        small = [step["small"] for step in found]
        passes = [joined(small[first : first + 3]) for first in (0, 3, 6)]
        assert len({tuple(one) for one in passes}) == 3
        assert all(sorted(one) == sorted(passes[0]) and len(set(one)) == 11 for one in passes)

    def test_every_crystal_of_the_longest_is_seen_once(self):
        large = joined(step["large"] for step in epoch(two("max_size_cycle")))
        assert len(large) == len(set(large)) == 40

    def test_the_shorter_dataset_drops_out(self):
        found = epoch(two("max_size"))
        assert [len(step) for step in found] == [2, 2, 2] + [1] * 7

    def test_the_shorter_dataset_ends_the_epoch(self):
        assert [set(step) for step in epoch(two("min_size"))] == [{"large", "small"}] * 3

    def test_one_dataset_comes_as_its_loader_alone_would_give_it(self):
        alone = loader(11)
        alone.sampler.set_epoch(3)
        expected = [list(batch.ids) for batch in alone]
        found = epoch(StepLoader({"only": loader(11)}, "max_size_cycle"), 3)
        assert [step["only"] for step in found] == expected


class TestDrawn:
    def test_each_step_takes_one_dataset(self):
        assert all(len(step) == 1 for step in epoch(two("sampled")))

    def test_in_proportion_every_crystal_is_seen_once(self):
        found = epoch(two("sampled"))
        assert len(found) == len(two("sampled")) == 13
        for name, count in (("large", 40), ("small", 11)):
            seen = joined(step[name] for step in found if name in step)
            assert len(seen) == len(set(seen)) == count

    def test_shares_decide_the_number_of_steps(self):
        found = epoch(two("sampled", shares={"large": 1.0, "small": 1.0}))
        counts = Counter(name for step in found for name in step)
        assert sorted(counts.values()) == [6, 7]

    def test_the_order_is_random_but_seeded(self):
        def names(seed, number=0):
            return [next(iter(step)) for step in epoch(two("sampled", seed=seed), number)]

        assert names(0) == names(0)
        assert names(0) != names(1)
        assert names(0) != names(0, number=1)
        assert Counter(names(0)) == Counter(names(1))

    @pytest.mark.parametrize("shares", [{"large": 1.0}, {"large": 1.0, "small": 0.0}])
    def test_shares_must_be_positive_and_complete(self, shares):
        with pytest.raises(ConfigError, match="one positive number for each of large, small"):
            two("sampled", shares=shares)


@pytest.mark.parametrize("mode", ["max_size_cycle", "max_size", "min_size", "sampled"])
class TestResume:
    def test_in_the_middle_of_an_epoch(self, mode):
        whole = two(mode)
        expected = epoch(whole, 2)
        for stop in range(1, len(expected)):
            interrupted, resumed = two(mode), two(mode)
            interrupted.set_epoch(2)
            stream = iter(interrupted)
            for _ in range(stop):
                next(stream)
            resumed.set_epoch(2)
            resumed.load_state_dict(interrupted.state_dict())
            assert contents(resumed) == expected[stop:]

    def test_after_a_whole_epoch_the_next_one_is_whole(self, mode):
        finished, resumed = two(mode), two(mode)
        epoch(finished, 0)
        resumed.load_state_dict(finished.state_dict())
        assert epoch(resumed, 1) == epoch(two(mode), 1)

    def test_epochs_follow_one_another(self, mode):
        steps = two(mode)
        assert [epoch(steps, k) for k in range(3)] == [epoch(two(mode), k) for k in range(3)]


@pytest.mark.slow
def test_worker_processes_change_nothing():
    loaders = {"large": loader(40, num_workers=1), "small": loader(11, seed=1, num_workers=1)}
    for mode in ("max_size_cycle", "sampled"):
        assert epoch(StepLoader(loaders, mode)) == epoch(two(mode))
