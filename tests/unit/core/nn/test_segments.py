"""Segment reductions agree with loops, in value and in every derivative."""

import pytest
import torch

from matsciml_core.nn.segments import (
    Segments,
    segment_gather,
    segment_mean,
    segment_softmax,
    segment_sum,
)

LENGTHS = [3, 0, 1, 4, 0]


@pytest.fixture
def segments() -> Segments:
    counts = torch.tensor(LENGTHS)
    return Segments(torch.repeat_interleave(torch.arange(len(LENGTHS)), counts), counts)


def rows(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(sum(LENGTHS), *shape, generator=generator, dtype=dtype)


class TestSegments:
    def test_offsets(self, segments):
        assert segments.offsets.tolist() == [0, 3, 3, 4, 8, 8]

    def test_counts_never_divide_by_zero(self, segments):
        assert segments.counts(torch.float32).tolist() == [3.0, 1.0, 1.0, 4.0, 1.0]
        assert segments.counts(torch.float64).dtype == torch.float64

    def test_joined_groups_edges_by_crystal(self, segments):
        crystals = Segments(torch.tensor([0, 0, 1, 1, 2]), torch.tensor([2, 2, 1]))
        edges = segments.joined(crystals)
        assert edges.lengths.tolist() == [3, 5, 0]
        assert edges.index.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3)])
class TestValues:
    def test_sum(self, segments, shape, dtype):
        values = rows(*shape, dtype=dtype)
        wanted = torch.stack([part.sum(0) for part in values.split(LENGTHS)])
        found = segment_sum(values, segments)
        assert found.dtype == dtype
        torch.testing.assert_close(found, wanted)

    def test_mean(self, segments, shape, dtype):
        values = rows(*shape, dtype=dtype)
        parts = values.split(LENGTHS)
        wanted = torch.stack([part.sum(0) / max(len(part), 1) for part in parts])
        torch.testing.assert_close(segment_mean(values, segments), wanted)

    def test_gather(self, segments, shape, dtype):
        values = rows(*shape, dtype=dtype)[: len(LENGTHS)]
        wanted = torch.repeat_interleave(values, torch.tensor(LENGTHS), dim=0)
        assert torch.equal(segment_gather(values, segments), wanted)


class TestUnusualInput:
    def test_rows_that_are_not_contiguous(self, segments):
        values = torch.randn(6, sum(LENGTHS)).t()
        wanted = torch.stack([part.sum(0) for part in values.split(LENGTHS)])
        torch.testing.assert_close(segment_sum(values, segments), wanted)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_no_rows_at_all(self, dtype):
        empty = Segments(torch.zeros(0, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
        values = torch.zeros(0, 3, dtype=dtype, requires_grad=True)
        found = segment_mean(values, empty)
        found.sum().backward()
        assert torch.equal(found, torch.zeros(2, 3, dtype=dtype))
        assert values.grad.shape == (0, 3)
        assert segment_softmax(values[:, 0], empty).shape == (0,)

    def test_integers_are_summed_exactly(self, segments):
        found = segment_sum(torch.arange(8), segments)
        assert found.tolist() == [3, 0, 3, 22, 0]

    def test_input_is_left_alone(self, segments):
        values = rows(2, dtype=torch.float32)
        before = values.clone()
        segment_softmax(values[:, 0], segments)
        segment_mean(values, segments)
        assert torch.equal(values, before)


class TestSoftmax:
    def test_equals_a_loop(self, segments):
        scores = 5 * rows()
        wanted = torch.cat([torch.softmax(part, 0) for part in scores.split(LENGTHS)])
        torch.testing.assert_close(segment_softmax(scores, segments), wanted)

    def test_large_scores_do_not_overflow(self, segments):
        scores = rows(dtype=torch.float32) + torch.tensor([1e4, -1e4] * 4)
        found = segment_softmax(scores, segments)
        assert found.isfinite().all()
        torch.testing.assert_close(
            segment_sum(found, segments), torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
        )


class TestDerivatives:
    @pytest.mark.parametrize("function", [segment_sum, segment_mean])
    def test_sums(self, segments, function):
        values = rows(2).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: function(x, segments) ** 2, values)
        assert torch.autograd.gradgradcheck(lambda x: function(x, segments) ** 2, values)

    def test_gather(self, segments):
        values = rows(2)[: len(LENGTHS)].requires_grad_()
        assert torch.autograd.gradcheck(lambda x: segment_gather(x, segments) ** 3, values)
        assert torch.autograd.gradgradcheck(lambda x: segment_gather(x, segments) ** 3, values)

    def test_softmax(self, segments):
        scores = rows().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: segment_softmax(x, segments), scores)
        assert torch.autograd.gradgradcheck(lambda x: segment_softmax(x, segments), scores)

    def test_the_compiled_float32_path_differentiates_twice(self, segments):
        single, double = rows(4, dtype=torch.float32), rows(4)

        def second(values: torch.Tensor) -> torch.Tensor:
            values = values.clone().requires_grad_()
            total = segment_mean(values.sin(), segments).square().sum()
            (first,) = torch.autograd.grad(total, values, create_graph=True)
            return torch.autograd.grad(first.square().sum(), values)[0]

        double = single.double()
        torch.testing.assert_close(second(single).double(), second(double), rtol=1e-4, atol=1e-5)


class TestWeights:
    """A row with the weight n counts as n equal rows."""

    WEIGHTS = (2.0, 1.0, 3.0, 1.0, 4.0, 1.0, 1.0, 2.0)

    @pytest.fixture
    def weighted(self, segments) -> Segments:
        return Segments(segments.index, segments.lengths, torch.tensor(self.WEIGHTS))

    @pytest.fixture
    def written_out(self, segments) -> tuple[Segments, torch.Tensor]:
        """The segments with every row as often as it counts, and the rows they come from."""
        copies = torch.tensor(self.WEIGHTS).long()
        index = segments.index.repeat_interleave(copies)
        longer = Segments(index, torch.bincount(index, minlength=len(LENGTHS)))
        return longer, torch.arange(len(copies)).repeat_interleave(copies)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("function", [segment_sum, segment_mean])
    @pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
    def test_reductions(self, weighted, written_out, function, shape, dtype):
        values = rows(*shape, dtype=dtype)
        longer, origin = written_out
        torch.testing.assert_close(function(values, weighted), function(values[origin], longer))

    def test_softmax_gives_each_copy_its_share(self, weighted, written_out):
        longer, origin = written_out
        found = segment_softmax(rows(), weighted)
        torch.testing.assert_close(found[origin], segment_softmax(rows()[origin], longer))

    def test_counts(self, weighted, written_out):
        longer, _ = written_out
        assert torch.equal(weighted.counts(torch.float64), longer.counts(torch.float64))

    def test_gather_is_not_weighted(self, weighted, segments):
        values = rows(2)[: len(LENGTHS)].requires_grad_()
        plain = torch.autograd.grad(segment_gather(values, segments).sum(), values)
        assert torch.equal(
            torch.autograd.grad(segment_gather(values, weighted).sum(), values)[0], plain[0]
        )

    def test_joined_segments_inherit_them(self, weighted, segments):
        outer = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([2, 3])
        crystals = Segments(*outer, torch.tensor([2.0, 1.0, 1.0, 5.0, 1.0]))
        inherited = torch.tensor([2.0, 2.0, 2.0, 1.0, 5.0, 5.0, 5.0, 5.0])
        assert torch.equal(segments.joined(crystals).weights, inherited)
        product = inherited * torch.tensor(self.WEIGHTS)
        assert torch.equal(weighted.joined(crystals).weights, product)
        assert segments.joined(Segments(*outer)).weights is None

    @pytest.mark.parametrize("function", [segment_sum, segment_mean])
    def test_derivatives(self, weighted, function):
        values = rows(3).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: function(x, weighted), values)
        assert torch.autograd.gradgradcheck(lambda x: function(x, weighted).square(), values)

    def test_derivatives_of_softmax(self, weighted):
        scores = rows().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: segment_softmax(x, weighted), scores)

    def test_float32_derivative_counts_copies(self, weighted):
        values = rows(1, dtype=torch.float32).requires_grad_()
        (gradient,) = torch.autograd.grad(segment_sum(values, weighted).sum(), values)
        assert gradient.flatten().tolist() == list(self.WEIGHTS)
