"""Equal weight of every dataset, and shares of the steps."""

import pytest
import torch

from matsciml_core.errors import ConfigError
from matsciml_strategy_multidata.config import MultiDataConfig
from matsciml_strategy_multidata.strategy import MultiData


def strategy(**settings):
    return MultiData(MultiDataConfig(**settings))


def losses(**values):
    return {key.replace("_", "/"): torch.tensor(value) for key, value in values.items()}


class TestBalance:
    def test_one_task_per_dataset_is_the_sum(self):
        assert strategy().combine(losses(mp_gap=2.0, lips_energy=5.0)).item() == 7.0

    def test_a_dataset_with_many_tasks_has_no_more_weight(self):
        combined = strategy().combine(
            losses(mp_gap=2.0, mp_fermi=4.0, mp_metal=6.0, lips_energy=5.0)
        )
        assert combined.item() == 4.0 + 5.0

    def test_tasks_without_a_label_drop_out_of_the_mean(self):
        assert strategy().combine(losses(mp_gap=2.0, lips_energy=5.0)).item() == 7.0

    def test_the_order_of_tasks_does_not_matter(self):
        given = losses(mp_gap=0.1, lips_energy=0.2, mp_fermi=0.3, oqmd_gap=0.7)
        turned = dict(reversed(given.items()))
        assert torch.equal(strategy().combine(given), strategy().combine(turned))


class TestSampling:
    def test_balanced_takes_one_batch_of_each(self):
        assert strategy().batch_mode == "max_size_cycle"

    @pytest.mark.parametrize("sampling", ["proportional", "temperature"])
    def test_the_others_sample(self, sampling):
        assert strategy(sampling=sampling).batch_mode == "sampled"

    def test_proportional_shares_are_sizes(self):
        shares = strategy(sampling="proportional", temperature=7).shares({"mp": 30, "lips": 10})
        assert shares == {"mp": 30, "lips": 10}

    def test_a_temperature_of_one_is_proportional(self):
        shares = strategy(sampling="temperature", temperature=1).shares({"mp": 30, "lips": 10})
        assert shares == {"mp": 30, "lips": 10}

    def test_a_temperature_of_two_takes_roots(self):
        shares = strategy(sampling="temperature").shares({"mp": 900, "lips": 100})
        assert shares["mp"] / shares["lips"] == pytest.approx(3)

    def test_a_high_temperature_gives_equal_shares(self):
        tempered = strategy(sampling="temperature", temperature=1e6)
        shares = tempered.shares({"mp": 10_000, "lips": 1})
        assert shares["mp"] / shares["lips"] == pytest.approx(1, abs=1e-4)

    def test_a_temperature_of_zero_is_an_error(self):
        with pytest.raises(ConfigError, match=r"strategy.temperature"):
            MultiDataConfig.from_options({"temperature": 0}, where="strategy")
