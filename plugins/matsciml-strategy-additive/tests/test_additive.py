"""The weighted sum, fixed and learned."""

import math

import pytest
import torch

from matsciml_core.errors import ConfigError
from matsciml_core.testing.strategy.subject import make_task
from matsciml_strategy_additive.config import AdditiveConfig
from matsciml_strategy_additive.strategy import Additive

TASKS = [
    make_task("gap", dataset="toy"),
    make_task("metal", dataset="toy", kind="binary"),
]


def strategy(tasks=TASKS, **settings):
    additive = Additive(AdditiveConfig(**settings))
    additive.validate(tasks)
    additive.setup(tasks)
    return additive


def losses(gap=3.0, metal=5.0):
    values = {"toy/gap": gap, "toy/metal": metal}
    return {key: torch.tensor(value, requires_grad=True) for key, value in values.items()}


class TestFixedWeights:
    def test_the_sum(self):
        assert strategy().combine(losses()).item() == 8.0

    def test_weights_by_key_and_by_target(self):
        additive = strategy(weights={"toy/gap": 2.0, "metal": 0.5})
        assert additive.combine(losses()).item() == 8.5

    def test_the_key_wins_over_the_target(self):
        assert strategy(weights={"toy/gap": 2.0, "gap": 9.0}).combine(losses()).item() == 11.0

    def test_an_absent_task_drops_out(self):
        present = losses()
        del present["toy/gap"]
        assert strategy().combine(present).item() == 5.0

    def test_a_weight_of_no_task_is_an_error(self):
        with pytest.raises(ConfigError, match=r"'gapp'.*Did you mean 'gap'"):
            strategy(weights={"gapp": 1.0})

    @pytest.mark.parametrize("weight", [0.0, -1.0])
    def test_weights_are_positive(self, weight):
        with pytest.raises(ConfigError, match=r"weights\.gap"):
            AdditiveConfig.from_options({"weights": {"gap": weight}}, where="strategy")

    def test_there_is_nothing_to_learn(self):
        assert not list(strategy().parameters())


class TestUncertainty:
    def test_training_starts_as_the_plain_sum(self):
        leaves = losses()
        strategy(weighting="uncertainty").combine(leaves).backward()
        assert leaves["toy/gap"].grad.item() == pytest.approx(1)
        assert leaves["toy/metal"].grad.item() == pytest.approx(1)

    def test_the_optimum_is_that_of_the_paper(self):
        # ∂/∂v = 0: L e^−v = 1 for regression (σ² = L), L e^−v = 1/2 for classification.
        additive = strategy(weighting="uncertainty")
        optimiser = torch.optim.Adam(additive.parameters(), lr=0.05)
        for _ in range(600):
            optimiser.zero_grad()
            additive.combine(losses(gap=3.0, metal=5.0)).backward()
            optimiser.step()
        expected = [math.log(3.0), math.log(10.0)]
        assert additive.log_variance.tolist() == pytest.approx(expected, abs=1e-3)

    def test_a_noisy_task_counts_less(self):
        additive = strategy(weighting="uncertainty")
        with torch.no_grad():
            additive.log_variance.copy_(torch.tensor([math.log(4.0), 0.0]))
        leaves = losses()
        additive.combine(leaves).backward()
        assert leaves["toy/gap"].grad.item() == pytest.approx(1 / 8)

    def test_one_task_has_nothing_to_be_weighed_against(self):
        additive = strategy(tasks=TASKS[:1], weighting="uncertainty")
        assert not list(additive.parameters())
        assert additive.combine({"toy/gap": torch.tensor(3.0)}).item() == 3.0

    def test_fixed_weights_apply_too(self):
        leaves = losses()
        strategy(weighting="uncertainty", weights={"gap": 4.0}).combine(leaves).backward()
        assert leaves["toy/gap"].grad.item() == pytest.approx(4)
