"""Dense layers that can be split at their first one."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from matsciml_core.nn.dense import DenseStack


def test_activates_between_layers_and_after_the_last_where_asked_for() -> None:
    stack = DenseStack(3, (4, 2), torch.tanh)
    x, (first, second) = torch.randn(5, 3), stack.layers
    plain = second(torch.tanh(first(x)))
    torch.testing.assert_close(stack(x), plain)
    stack.activate_last = True
    torch.testing.assert_close(stack(x), torch.tanh(plain))


@pytest.mark.parametrize("widths", [(4,), (4, 2)])
def test_the_pieces_of_the_weight_act_on_the_parts(widths: tuple[int, ...]) -> None:
    stack = DenseStack(5, widths, torch.tanh, activate_last=True).double()
    a, b = torch.randn(7, 2).double(), torch.randn(7, 3).double()
    of_a, of_b = stack.split_weight((2, 3))
    pieces = a @ of_a.T + b @ of_b.T + stack.first_bias
    torch.testing.assert_close(stack.after_first(pieces), stack(torch.cat((a, b), 1)))


def test_the_last_layer_may_have_no_bias() -> None:
    stack = DenseStack(3, (4, 2), torch.tanh, last_bias=False)
    assert [layer.bias is None for layer in stack.layers] == [False, True]


def test_parameters_have_names_that_checkpoints_rely_on() -> None:
    names = {f"layers.{number}.{kind}" for number in (0, 1) for kind in ("weight", "bias")}
    assert set(DenseStack(3, (4, 2), torch.tanh).state_dict()) == names


def test_can_be_copied_and_pickled() -> None:
    stack = DenseStack(3, (4, 2), torch.tanh)
    x = torch.randn(5, 3)
    for other in (copy.deepcopy(stack), pickle.loads(pickle.dumps(stack))):
        assert torch.equal(other(x), stack(x))
