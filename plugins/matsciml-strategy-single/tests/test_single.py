"""One task, its plain gradient; several tasks are refused."""

from types import SimpleNamespace

import pytest
import torch

from matsciml_core import StrategySpec, Task
from matsciml_core.errors import ConfigError
from matsciml_strategy_single import strategy as module
from matsciml_strategy_single.strategy import Single


def task(name, dataset="toy"):
    head = SimpleNamespace(targets=[SimpleNamespace(name=name)])
    return Task(dataset=dataset, head_name="toy", head=head)


def spec(name, **limits):
    return StrategySpec(name=name, summary=name, class_path="some.where:Thing", **limits)


@pytest.fixture
def installed(monkeypatch):
    """Pretend that certain strategies are installed."""

    def pretend(*specs):
        registry = SimpleNamespace(specs=lambda kind: {"strategy": list(specs)}[kind])
        monkeypatch.setattr(module, "build_registry", lambda strict: registry)

    return pretend


def test_the_loss_is_handed_on():
    loss = torch.tensor(3.0, requires_grad=True)
    assert Single().combine({"toy/gap": loss}) is loss


def test_one_task_is_accepted():
    Single().validate([task("gap")])


@pytest.mark.parametrize("names", [[], ["gap", "energy"]])
def test_any_other_number_is_refused(names):
    with pytest.raises(ConfigError, match="'single' trains one task") as error:
        Single().validate([task(name) for name in names])
    assert all(f"toy/{name}" in str(error.value) for name in names)


def test_the_refusal_names_the_strategies_that_could(installed):
    installed(spec("single", max_tasks=1), spec("sum"), spec("pair", max_tasks=2))
    with pytest.raises(ConfigError, match=r"several: sum, pair \(see"):
        Single().validate([task("gap"), task("energy")])
    with pytest.raises(ConfigError, match=r"several: sum \(see"):
        Single().validate([task("gap"), task("energy"), task("metal")])


def test_strategies_for_one_dataset_are_no_help_with_two(installed):
    installed(spec("sum"), spec("local", max_datasets=1))
    with pytest.raises(ConfigError, match=r"several: sum \(see"):
        Single().validate([task("gap", "mp"), task("energy", "lips")])


def test_where_none_could_the_refusal_says_so(installed):
    installed(spec("single", max_tasks=1))
    with pytest.raises(
        ConfigError, match=r"none is installed \(see 'matsciml list-plugins --kind strategy'\)"
    ):
        Single().validate([task("gap"), task("energy")])
