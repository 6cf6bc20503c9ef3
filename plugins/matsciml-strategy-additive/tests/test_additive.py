"""The weighted sum, fixed and learned."""

import math
from types import SimpleNamespace

import pytest
import torch

from matsciml_core import Task
from matsciml_core.errors import ConfigError
from matsciml_strategy_additive.config import AdditiveConfig
from matsciml_strategy_additive.strategy import Additive


def task(name, *, classes=False):
    target = SimpleNamespace(name=name, is_class=classes)
    return Task(dataset="toy", head_name="toy", head=SimpleNamespace(targets=[target]))


TASKS = [task("gap"), task("metal", classes=True)]


def strategy(tasks=TASKS, **settings):
    found = Additive(AdditiveConfig(**settings))
    found.validate(tasks)
    found.setup(tasks)
    return found


def losses(gap=3.0, metal=5.0):
    values = {"toy/gap": gap, "toy/metal": metal}
    return {key: torch.tensor(one, requires_grad=True) for key, one in values.items()}


class TestFixedWeights:
    def test_the_sum(self):
        assert strategy().combine(losses()).item() == 8.0

    def test_weights_by_key_and_by_target(self):
        found = strategy(weights={"toy/gap": 2.0, "metal": 0.5})
        assert found.combine(losses()).item() == 8.5

    def test_the_key_wins_over_the_target(self):
        assert strategy(weights={"toy/gap": 2.0, "gap": 9.0}).combine(losses()).item() == 11.0

    def test_an_absent_task_drops_out(self):
        present = losses()
        del present["toy/gap"]
        assert strategy().combine(present).item() == 5.0

    def test_a_weight_of_no_task_is_refused(self):
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
        given = losses()
        strategy(weighting="uncertainty").combine(given).backward()
        assert given["toy/gap"].grad.item() == pytest.approx(1)
        assert given["toy/metal"].grad.item() == pytest.approx(1)

    def test_the_optimum_is_that_of_the_paper(self):
        # ∂/∂v = 0: L e^−v = 1 for regression (σ² = L), L e^−v = 1/2 for classification.
        found = strategy(weighting="uncertainty")
        optimiser = torch.optim.Adam(found.parameters(), lr=0.05)
        for _ in range(600):
            optimiser.zero_grad()
            found.combine(losses(gap=3.0, metal=5.0)).backward()
            optimiser.step()
        expected = [math.log(3.0), math.log(10.0)]
        assert found.log_variance.tolist() == pytest.approx(expected, abs=1e-3)

    def test_a_noisy_task_counts_less(self):
        found = strategy(weighting="uncertainty")
        with torch.no_grad():
            found.log_variance.copy_(torch.tensor([math.log(4.0), 0.0]))
        given = losses()
        found.combine(given).backward()
        assert given["toy/gap"].grad.item() == pytest.approx(1 / 8)

    def test_one_task_has_nothing_to_be_weighed_against(self):
        found = strategy(tasks=TASKS[:1], weighting="uncertainty")
        assert not list(found.parameters())
        assert found.combine({"toy/gap": torch.tensor(3.0)}).item() == 3.0

    def test_fixed_weights_apply_too(self):
        given = losses()
        strategy(weighting="uncertainty", weights={"gap": 4.0}).combine(given).backward()
        assert given["toy/gap"].grad.item() == pytest.approx(4)
