"""The sum of messages, its derivative by hand, and the derivative of that."""

import pytest
import torch

from matsciml_core import MessageGraph, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.nn.segments import Segments
from matsciml_model_cgcnn import _gated_sum


@pytest.fixture
def graph(crystals) -> MessageGraph:
    return MessageGraph.of(attach_neighbours(crystals, Neighbourhood(cutoff=3.2)))


def shares(graph, dtype=torch.float64, *, moving=False):
    nodes, edges = len(graph.atomic_numbers), len(graph.sender)
    receiver, sender = (torch.randn(nodes, 6, dtype=dtype, requires_grad=True) for _ in range(2))
    weight = torch.randn(6, 4, dtype=dtype, requires_grad=True)
    features = torch.rand(edges, 4, dtype=dtype, requires_grad=moving)
    return receiver, sender, features, weight, torch.rand(edges, 1, dtype=dtype)


@pytest.mark.parametrize("activation", ["silu", "softplus"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
class TestAgainstAutograd:
    def test_value_and_gradient(self, graph, activation, dtype):
        inputs = shares(graph, dtype)
        incoming = Segments(graph.incoming.index, graph.incoming.lengths)
        plain = _gated_sum._written_out(*inputs, incoming, graph.sender, activation)
        fused = _gated_sum.gated_sum(*inputs, graph, activation)
        torch.testing.assert_close(fused, plain)
        upstream = torch.randn_like(plain)
        leaves = [tensor for tensor in inputs if tensor.requires_grad]
        expected = torch.autograd.grad(plain, leaves, upstream)
        torch.testing.assert_close(torch.autograd.grad(fused, leaves, upstream), expected)

    def test_only_some_inputs_are_learnt(self, graph, activation, dtype):
        receiver, sender, features, weight, scale = shares(graph, dtype)
        total = _gated_sum.gated_sum(
            receiver.detach(), sender, features, weight.detach(), scale, graph, activation
        )
        (first,) = torch.autograd.grad(total.sum(), [sender], create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), [sender])
        assert second.isfinite().all()
        assert second.abs().max() > 0


@pytest.mark.parametrize("moving", [False, True], ids=["fixed edges", "moving edges"])
@pytest.mark.parametrize("activation", ["silu", "softplus"])
def test_second_derivative(graph, activation, moving):
    inputs = shares(graph, moving=moving)
    leaves = [tensor for tensor in inputs if tensor.requires_grad]

    def total(*changed):
        values = iter(changed)
        joined = [next(values) if tensor.requires_grad else tensor for tensor in inputs]
        return _gated_sum.gated_sum(*joined, graph, activation)

    assert torch.autograd.gradcheck(total, leaves)
    assert torch.autograd.gradgradcheck(total, leaves)


def test_without_any_edge(crystals):
    graph = MessageGraph.of(attach_neighbours(crystals, Neighbourhood(cutoff=0.1)))
    inputs = shares(graph, torch.float32)
    total = _gated_sum.gated_sum(*inputs, graph, "silu")
    assert not total.any()
    total.sum().backward()
    assert not inputs[3].grad.any()
