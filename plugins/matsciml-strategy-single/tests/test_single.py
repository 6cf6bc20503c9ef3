"""One task, its plain gradient; several tasks are an error."""

from types import SimpleNamespace

import pytest
import torch

from matsciml_core import StrategySpec
from matsciml_core.errors import ConfigError
from matsciml_core.testing.strategy.subject import make_task
from matsciml_strategy_single import strategy as module
from matsciml_strategy_single.strategy import Single


def task(name, dataset="toy"):
    return make_task(name, dataset=dataset)


def spec(name, **limits):
    return StrategySpec(name=name, summary=name, class_path="some.where:Thing", **limits)


@pytest.fixture
def installed(monkeypatch):
    """A function that fakes the strategies that are installed."""

    def fake(*specs):
        registry = SimpleNamespace(specs=lambda kind: {"strategy": list(specs)}[kind])
        monkeypatch.setattr(module, "build_registry", lambda strict: registry)

    return fake


def test_the_loss_is_handed_on():
    loss = torch.tensor(3.0, requires_grad=True)
    assert Single().combine({"toy/gap": loss}) is loss


def test_one_task_is_accepted():
    Single().validate([task("gap")])


@pytest.mark.parametrize("names", [[], ["gap", "energy"]])
def test_any_other_number_is_an_error(names):
    with pytest.raises(ConfigError, match="'single' trains one task") as error:
        Single().validate([task(name) for name in names])
    assert all(f"toy/{name}" in str(error.value) for name in names)


def test_the_error_names_the_strategies_that_fit(installed):
    installed(spec("single", max_tasks=1), spec("sum"), spec("pair", max_tasks=2))
    with pytest.raises(ConfigError, match=r"several: sum, pair \(see"):
        Single().validate([task("gap"), task("energy")])
    with pytest.raises(ConfigError, match=r"several: sum \(see"):
        Single().validate([task("gap"), task("energy"), task("metal")])


def test_strategies_for_one_dataset_do_not_fit_two(installed):
    installed(spec("sum"), spec("local", max_datasets=1))
    with pytest.raises(ConfigError, match=r"several: sum \(see"):
        Single().validate([task("gap", "mp"), task("energy", "lips")])


def test_where_none_fits_the_error_says_so(installed):
    installed(spec("single", max_tasks=1))
    with pytest.raises(
        ConfigError, match=r"none is installed \(see 'matsciml list-plugins --kind strategy'\)"
    ):
        Single().validate([task("gap"), task("energy")])
