"""The activations, Set2Set and input features."""

import math

import pytest
import torch
from torch.nn import functional

from matsciml_core.nn.segments import Segments
from matsciml_model_megnet.features import GaussianExpansion, nine_statistics, reduced_numbers
from matsciml_model_megnet.layers import ACTIVATIONS, activated_stack, shifted_softplus
from matsciml_model_megnet.set2set import LSTMCell, Set2Set


def segments_of(*lengths: int) -> Segments:
    counts = torch.tensor(lengths)
    return Segments(torch.repeat_interleave(torch.arange(len(lengths)), counts), counts)


class TestShiftedSoftplus:
    @pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-15), (torch.float32, 4e-7)])
    def test_equals_the_formula(self, dtype, limit):
        x = torch.linspace(-100, 100, 20001, dtype=dtype)
        exact = functional.softplus(x.double(), threshold=1000) - math.log(2)
        error = (shifted_softplus(x).double() - exact).abs() / (1 + exact.abs())
        assert error.max() < limit

    def test_zero_stays_zero(self):
        assert shifted_softplus(torch.zeros(1, dtype=torch.float64)).abs() < 1e-16

    def test_without_shift_it_is_softplus(self):
        x = torch.randn(100, dtype=torch.float64)
        torch.testing.assert_close(shifted_softplus(x, 0.0), functional.softplus(x))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_extreme_values_are_finite(self, dtype):
        x = torch.tensor([1e30, 800.0, 90.0, -90.0, -1e30], dtype=dtype, requires_grad=True)
        y = shifted_softplus(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(y[:2], x[:2] - math.log(2))
        torch.testing.assert_close(slope, torch.tensor([1, 1, 1, 0, 0], dtype=dtype))

    @pytest.mark.parametrize("shift", [0.0, math.log(2)])
    def test_first_and_second_derivative(self, shift):
        x = torch.randn(20, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x: shifted_softplus(x, shift), x)
        assert torch.autograd.gradgradcheck(lambda x: shifted_softplus(x, shift), x)

    def test_the_input_is_left_alone(self):
        x = torch.randn(10)
        before = x.clone()
        shifted_softplus(x)
        assert torch.equal(x, before)


@pytest.mark.parametrize(("name", "at_zero"), [("softplus2", 0.0), ("softplus", math.log(2))])
def test_stacks_are_activated_after_every_layer(name, at_zero):
    stack = activated_stack(3, (4, 2), name)
    assert ACTIVATIONS[name](torch.zeros(())).item() == pytest.approx(at_zero, abs=1e-7)
    x, (first, second) = torch.randn(5, 3), stack.layers
    wanted = ACTIVATIONS[name](second(ACTIVATIONS[name](first(x))))
    torch.testing.assert_close(stack(x), wanted)


class TestSet2Set:
    def test_cell_equals_torch(self):
        cell, torchs = LSTMCell(6, 4).double(), torch.nn.LSTMCell(6, 4).double()
        cell.input.load_state_dict({"weight": torchs.weight_ih, "bias": torchs.bias_ih})
        cell.recurrent.load_state_dict({"weight": torchs.weight_hh, "bias": torchs.bias_hh})
        x, hidden, memory = (torch.randn(5, width).double() for width in (6, 4, 4))
        for ours, theirs in zip(cell(x, hidden, memory), torchs(x, (hidden, memory)), strict=True):
            torch.testing.assert_close(ours, theirs)

    def test_equals_a_loop_over_the_sets(self):
        reader = Set2Set(4, layers=3, iterations=4).double()
        features, segments = torch.randn(9, 4).double(), segments_of(5, 1, 3)
        found = reader(features, segments)
        for number, rows in enumerate(features.split([5, 1, 3])):
            torch.testing.assert_close(found[number], self.read_out_one(reader, rows))

    @staticmethod
    def read_out_one(reader: Set2Set, rows: torch.Tensor) -> torch.Tensor:
        """Read one set out with torch's own LSTM."""
        lstm = torch.nn.LSTM(8, 4, num_layers=3).double()
        for layer, cell in enumerate(reader.cells):
            for ours, theirs in ((cell.input, "ih"), (cell.recurrent, "hh")):
                getattr(lstm, f"weight_{theirs}_l{layer}").data = ours.weight.data
                getattr(lstm, f"bias_{theirs}_l{layer}").data = ours.bias.data
        result, state = torch.zeros(1, 8).double(), None
        for _ in range(4):
            query, state = lstm(result, state)
            weights = torch.softmax(rows @ query[0], dim=0)
            result = torch.cat((query, (weights @ rows).unsqueeze(0)), dim=1)
        return result[0]

    def test_a_repeated_set_gives_the_same_vector(self):
        reader = Set2Set(4, layers=2, iterations=3).double()
        rows = torch.randn(5, 4).double()
        once, thrice = (reader(rows.repeat(n, 1), segments_of(5 * n)) for n in (1, 3))
        torch.testing.assert_close(once, thrice)

    def test_an_empty_set_reads_zero(self):
        reader = Set2Set(4, layers=1, iterations=2)
        found = reader(torch.randn(3, 4), segments_of(0, 3))
        assert torch.equal(found[0, 4:], torch.zeros(4))
        assert found.isfinite().all()

    def test_second_derivative(self):
        reader = Set2Set(3, layers=2, iterations=2).double()
        features = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradgradcheck(lambda f: reader(f, segments_of(3, 0, 1)), features)


class TestFeatures:
    def test_gaussians(self):
        expansion = GaussianExpansion(6.0, 7, 0.5)
        found = expansion(torch.tensor([2.0]))
        wanted = [math.exp(-0.5 * (2.0 - centre) ** 2) for centre in range(7)]
        torch.testing.assert_close(found, torch.tensor([wanted]))

    def test_reduced_numbers(self):
        numbers = torch.tensor([1.0, 8.0])
        found = reduced_numbers(numbers, torch.tensor([0, 1]), segments_of(0, 2))
        torch.testing.assert_close(found, torch.tensor([8 / 9, 4.0]))

    @pytest.mark.parametrize("sample", [False, True])
    def test_nine_statistics(self, sample):
        numbers = torch.tensor([1.0, 8.0, 8.0, 26.0], dtype=torch.float64)
        lengths = torch.tensor([1.0, 2.0, 2.5], dtype=torch.float64)
        mu = torch.tensor([3.0, 4.0, 7.0], dtype=torch.float64)
        found = nine_statistics(
            numbers, lengths, mu, segments_of(3, 1), segments_of(3, 0), sample=sample
        )
        zero = torch.zeros(()).double()
        first = [
            *(numbers[:3].mean(), numbers[:3].std(correction=int(sample)), zero, zero),
            *(lengths.mean(), lengths.std(correction=int(sample))),
            *(mu.mean(), mu.std(correction=int(sample)), zero),
        ]
        torch.testing.assert_close(found[0], torch.stack(first))
        assert found[1].tolist() == [26.0] + 8 * [0.0]

    def test_equal_lengths_have_a_finite_gradient(self):
        lengths = torch.full((6,), 2.8201, requires_grad=True)
        numbers = torch.full((2,), 11.0)
        found = nine_statistics(
            numbers, lengths, lengths.detach(), segments_of(2), segments_of(6), sample=False
        )
        (gradient,) = torch.autograd.grad(found.sum(), lengths)
        assert found[0, 5] == 0.0
        torch.testing.assert_close(gradient, torch.full((6,), 1 / 6))
