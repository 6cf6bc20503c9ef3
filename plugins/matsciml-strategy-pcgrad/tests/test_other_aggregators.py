"""The other aggregators: what defines each of them, reference numbers, and torchjd beside them."""

import itertools
import warnings

import pytest
import torch

from matsciml_core import build_registry
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.strategy import gram_matrix
from matsciml_strategy_pcgrad.closed_forms import bargained_weights, impartial_weights
from matsciml_strategy_pcgrad.config import GradNormConfig
from matsciml_strategy_pcgrad.gradnorm import GradNorm
from matsciml_strategy_pcgrad.mgda import MGDA, nearest_weights

LOOSE = 1e-3
"""As a share of the longest gradient, for references that were found by iteration."""


def longest(gradients):
    return gradients.norm(dim=1).max()


class TestMGDA:
    def test_two_tasks_have_a_closed_form(self, matrices, others):
        pairs = {k: others[k] for k, matrix in matrices.items() if len(matrix) == 2}
        checked = 0
        for number, reference in pairs.items():
            expected = reference.get("MGDA_exact_two_tasks")
            if expected is None:
                continue
            gradients = matrices[number]
            found = nearest_weights(gram_matrix(gradients)) @ gradients
            difference = (found - torch.tensor(expected, dtype=torch.float64)).abs().max()
            assert difference < 1e-12 * longest(gradients), number
            checked += 1
        assert checked >= 3

    def test_reference_numbers(self, matrices, others):
        for number, gradients in matrices.items():
            expected = torch.tensor(others[number]["MGDA"], dtype=torch.float64)
            found = nearest_weights(gram_matrix(gradients)) @ gradients
            assert (found - expected).abs().max() < LOOSE * longest(gradients), number
            assert found.norm() <= expected.norm() * (1 + 1e-9), number

    def test_no_task_is_worsened(self, matrices):
        for number, gradients in matrices.items():
            found = nearest_weights(gram_matrix(gradients)) @ gradients
            assert (gradients @ found >= -1e-10 * longest(gradients) ** 2).all(), number

    def test_it_is_the_nearest_of_many_points(self):
        gradients = torch.randn(5, 4, dtype=torch.float64) + 0.7
        weights = nearest_weights(gram_matrix(gradients))
        assert weights.min() >= 0
        assert float(weights.sum()) == pytest.approx(1)
        nearest = (weights @ gradients).norm()
        samples = torch.distributions.Dirichlet(torch.full((5,), 0.5)).sample((5000,)).double()
        assert nearest <= (samples @ gradients).norm(dim=1).min() + 1e-12

    def test_hull_that_contains_zero(self):
        gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
        assert (nearest_weights(gram_matrix(gradients)) @ gradients).norm() < 1e-12

    def test_copies_of_a_task_change_nothing(self):
        gradients = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
        found = nearest_weights(gram_matrix(gradients)) @ gradients
        torch.testing.assert_close(found, torch.tensor([0.4, 0.8], dtype=torch.float64))

    def test_too_many_tasks_are_an_error(self, tasks_named):
        MGDA().validate(tasks_named("abcdefghij"))
        with pytest.raises(ConfigError, match=r"at most 10 tasks, but the run has 11"):
            MGDA().validate(tasks_named("abcdefghijk"))


class TestIMTLG:
    def test_components_along_unit_gradients_are_equal(self):
        gradients = torch.randn(4, 9, dtype=torch.float64)
        weights = impartial_weights(gram_matrix(gradients))
        units = gradients / gradients.norm(dim=1, keepdim=True)
        components = units @ (weights @ gradients)
        assert float(weights.sum()) == pytest.approx(1)
        torch.testing.assert_close(components, components[:1].expand(4))

    def test_reference_numbers(self, matrices, others):
        checked = 0
        for number, gradients in matrices.items():
            # Dependent gradients have no unique answer, and a zero one has no unit.
            if torch.linalg.matrix_rank(gradients) < len(gradients):
                continue
            expected = torch.tensor(others[number]["IMTLG"], dtype=torch.float64)
            found = impartial_weights(gram_matrix(gradients)) @ gradients
            assert (found - expected).abs().max() < LOOSE * longest(gradients), number
            checked += 1
        assert checked >= 7

    def test_exactly_opposed_tasks_give_the_mean(self):
        gradients = torch.tensor([[3.0, 4.0], [-3.0, -4.0]], dtype=torch.float64)
        weights = impartial_weights(gram_matrix(gradients))
        torch.testing.assert_close(weights, torch.full((2,), 0.5, dtype=torch.float64))


class TestNashMTL:
    def test_the_bargain_is_one(self):
        gradients = torch.randn(4, 9, dtype=torch.float64) * torch.tensor([[1e-3], [1], [10], [1]])
        gram = gram_matrix(gradients)
        weights = bargained_weights(gram)
        assert (weights > 0).all()
        products = weights * (gram @ weights)  # equal for all tasks: K w = 1 / w up to a factor
        torch.testing.assert_close(products, products[:1].expand(4), rtol=1e-6, atol=0)

    def test_no_task_is_worsened(self, matrices):
        for number, gradients in matrices.items():
            gram = gram_matrix(gradients)
            gains = gram @ bargained_weights(gram)
            assert (gains >= -1e-8 * longest(gradients) ** 2).all(), number

    def test_torchjd_finds_the_same_direction(self, torchjd):
        pytest.importorskip("ecos", reason="torchjd needs ecos for this aggregator.")
        checked = 0
        for seed in range(4):
            generator = torch.Generator().manual_seed(seed)
            gradients = torch.randn(3, 8, dtype=torch.float64, generator=generator)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # cvxpy's, about its solver
                expected = torchjd.NashMTL(n_tasks=3, optim_niter=100)(gradients)
            found = bargained_weights(gram_matrix(gradients)) @ gradients
            cosine = torch.nn.functional.cosine_similarity(found, expected, dim=0)
            assert cosine > 0.999
            checked += 1
        assert checked == 4


class TestGradNorm:
    def gradients(self):
        return torch.tensor([[4.0, 0.0], [0.0, 1.0]], dtype=torch.float64)

    def strategy(self, tasks_named, **settings):
        strategy = GradNorm(GradNormConfig(**settings))
        strategy.setup(tasks_named("ab"))
        return strategy

    def test_it_starts_as_the_plain_sum(self, tasks_named, equal_losses):
        found = self.strategy(tasks_named).aggregate(self.gradients(), equal_losses("ab"))
        assert found.tolist() == [4.0, 1.0]

    def test_lengths_become_equal_where_tasks_progress_alike(self, tasks_named, equal_losses):
        strategy = self.strategy(tasks_named, learning_rate=0.01)
        for _ in range(300):
            found = strategy.aggregate(self.gradients(), equal_losses("ab"))
        assert float(found[0] / found[1]) == pytest.approx(1, abs=0.1)
        assert float(strategy.task_weights.sum()) == pytest.approx(2)

    def test_a_task_that_lags_behind_gets_a_longer_gradient(self, tasks_named, equal_losses):
        strategy = self.strategy(tasks_named, learning_rate=0.01)
        strategy.aggregate(self.gradients(), equal_losses("ab"))
        losses = equal_losses("ab")
        losses["toy/b"] = losses["toy/b"] * 0.25
        for _ in range(300):
            found = strategy.aggregate(self.gradients(), losses)
        assert found[0] > 4 * found[1]

    def test_the_scale_of_the_losses_does_not_matter(self, tasks_named, equal_losses):
        strategies = [self.strategy(tasks_named) for _ in range(2)]
        for _ in range(5):
            one = strategies[0].aggregate(self.gradients(), equal_losses("ab"))
            other = strategies[1].aggregate(1e6 * self.gradients(), equal_losses("ab"))
        torch.testing.assert_close(1e6 * one, other)

    def test_weights_belong_to_tasks_not_to_rows(self, tasks_named, equal_losses):
        strategy = GradNorm()
        strategy.setup(tasks_named("abc"))
        for _ in range(20):
            strategy.aggregate(self.gradients(), equal_losses("bc"))
        a, b, c = strategy.task_weights.tolist()
        assert a == 1.0
        assert b < 1.0 < c

    def test_a_checkpoint_continues_where_it_stopped(self, tasks_named, equal_losses):
        strategy, resumed = (self.strategy(tasks_named) for _ in range(2))
        for _ in range(5):
            strategy.aggregate(self.gradients(), equal_losses("ab"))
        resumed.load_state_dict(strategy.state_dict())
        found, expected = (
            one.aggregate(self.gradients(), equal_losses("ab")) for one in (resumed, strategy)
        )
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("name", "reference"),
    [("upgrad", "UPGrad"), ("cagrad", "CAGrad_c0_5"), ("aligned-mtl", "AlignedMTL")],
)
def test_torchjd_gives_the_reference_numbers(
    torchjd, matrices, others, equal_losses, name, reference
):
    strategy = build_registry().get("strategy", name).load()()
    for number, gradients in matrices.items():
        if name == "cagrad" and not gradients.norm(dim=1).all():
            continue  # torchjd stops training where one gradient is zero; see the strategy
        expected = torch.tensor(others[number][reference], dtype=torch.float64)
        found = strategy.aggregate(gradients, equal_losses("abcd"[: len(gradients)]))
        assert (found - expected).abs().max() < LOOSE * longest(gradients), (number, name)


@pytest.mark.parametrize("name", ["pcgrad", "mgda", "imtl-g", "nash-mtl", "gradnorm"])
def test_no_number_is_looked_at_on_the_host(name, tasks_named):
    """Tensors on the device ``meta`` have shapes and no values, so that looking raises."""
    strategy = build_registry().get("strategy", name).load()()
    strategy.setup(tasks_named("abc"))
    strategy.to("meta")
    gradients = torch.empty(3, 50, device="meta")
    losses = {f"toy/{name}": torch.empty((), device="meta") for name in "abc"}
    found = strategy.aggregate(gradients, losses)
    assert found.device.type == "meta"
    assert found.shape == (50,)


def test_every_aggregator_is_cited_and_named_once():
    registry = build_registry()
    names = {
        spec.name
        for spec, record in registry.components("strategy")
        if record.distribution == "matsciml-strategy-pcgrad"
    }
    assert names == {
        *("pcgrad", "mgda", "imtl-g", "nash-mtl", "gradnorm", "upgrad", "cagrad", "aligned-mtl"),
    }
    specs = [spec for spec in registry.specs("strategy") if spec.name in names]
    keys = list(itertools.chain.from_iterable([one.key for one in s.references] for s in specs))
    assert len(set(keys)) == len(specs) == 8
