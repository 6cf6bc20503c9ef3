"""One task, its plain gradient; several tasks are refused."""

from types import SimpleNamespace

import pytest
import torch

from matsciml_core import Task
from matsciml_core.errors import ConfigError
from matsciml_strategy_single.strategy import Single


def task(name):
    head = SimpleNamespace(targets=[SimpleNamespace(name=name)])
    return Task(dataset="toy", head_name="toy", head=head)


def test_the_loss_is_handed_on():
    loss = torch.tensor(3.0, requires_grad=True)
    assert Single().combine({"toy/gap": loss}) is loss


def test_one_task_is_accepted():
    Single().validate([task("gap")])


@pytest.mark.parametrize("names", [[], ["gap", "energy"]])
def test_any_other_number_is_refused(names):
    with pytest.raises(ConfigError, match="list-plugins --kind strategy") as error:
        Single().validate([task(name) for name in names])
    assert all(f"toy/{name}" in str(error.value) for name in names)
