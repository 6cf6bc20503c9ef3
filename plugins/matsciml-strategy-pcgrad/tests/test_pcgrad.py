"""PCGrad: the reference cases, the orders, and what survives a checkpoint."""

import itertools
import math

import pytest
import torch

from matsciml_core import build_registry
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.strategy import gram_matrix
from matsciml_strategy_pcgrad.config import PCGradConfig
from matsciml_strategy_pcgrad.pcgrad import PCGrad, projected_coefficients

TOLERANCE = 1e-12
"""Largest difference, as a share of the longest gradient."""


def orders_of(case, variant):
    return torch.tensor(case["variants"][variant]["order_per_task"])


def relative(found, expected, gradients):
    difference = (found - torch.tensor(expected, dtype=torch.float64)).abs().max()
    return float(difference / gradients.norm(dim=1).max())


def surgery(gradients, orders):
    """Project the vectors themselves, as the paper writes it down."""
    projected = []
    for gradient, met in zip(gradients, orders.tolist(), strict=True):
        left = gradient.clone()
        for other in met:
            overlap, square = left @ gradients[other], gradients[other] @ gradients[other]
            if overlap < 0 and square > 0:
                left = left - overlap / square * gradients[other]
        projected.append(left)
    return torch.stack(projected)


@pytest.mark.parametrize("variant", ["ascending", "descending", "given"])
def test_reference_cases(cases, matrices, variant):
    assert len(cases) >= 10
    for number, case in cases.items():
        gradients, expected = matrices[number], case["variants"][variant]
        coefficients = projected_coefficients(gram_matrix(gradients), orders_of(case, variant))
        projected = relative(coefficients @ gradients, expected["projected"], gradients)
        summed = relative(coefficients.sum(0) @ gradients, expected["sum"], gradients)
        assert max(projected, summed) < TOLERANCE, number


def test_the_order_matters_in_some_reference_cases(cases, matrices):
    changed = {
        number
        for number, case in cases.items()
        if relative(
            torch.tensor(case["variants"]["ascending"]["sum"], dtype=torch.float64),
            case["variants"]["descending"]["sum"],
            matrices[number],
        )
        > 1e-6
    }
    assert changed == {2, 4, 14, 17, 18, 19} & cases.keys()
    assert changed


ONE = torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64)
OTHER = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
SPECIAL = {
    "opposed": [ONE, -2 * ONE],
    "parallel": [ONE, 5 * ONE, OTHER],
    "orthogonal": [ONE, OTHER, torch.tensor([-1.0, 5.0, 4.0], dtype=torch.float64)],
    "zero": [ONE, 0 * ONE, -ONE],
    "four decades": [1e-2 * ONE, -1e2 * (ONE + OTHER), OTHER - ONE, 1e2 * OTHER],
    "dependent": [ONE, OTHER, -ONE - OTHER],
}


@pytest.mark.parametrize("name", SPECIAL)
def test_coefficients_stand_for_the_projected_vectors(name):
    gradients = torch.stack(SPECIAL[name])
    keys = list("abcd"[: len(gradients)])
    strategy = PCGrad()
    for _ in range(20):
        orders = strategy.sample_orders(keys)
        found = projected_coefficients(gram_matrix(gradients), orders) @ gradients
        assert relative(found, surgery(gradients, orders).tolist(), gradients) < TOLERANCE


def test_the_strategy_uses_the_orders_it_samples(cases, matrices, equal_losses):
    for number, gradients in matrices.items():
        losses = equal_losses("abcd"[: len(gradients)])
        strategy, twin = PCGrad(), PCGrad()
        orders = twin.sample_orders(list(losses))
        expected = projected_coefficients(gram_matrix(gradients), orders).sum(0) @ gradients
        assert torch.equal(strategy.aggregate(gradients, losses), expected), number


def test_without_conflict_it_is_the_plain_sum(cases, matrices, equal_losses):
    number = next(k for k, case in cases.items() if "no conflict" in case["note"])
    gradients = matrices[number]
    found = PCGrad().aggregate(gradients, equal_losses("abcd"[: len(gradients)]))
    torch.testing.assert_close(found, gradients.sum(0), rtol=1e-15, atol=0)


def test_what_is_left_of_a_gradient_contradicts_the_last_one_it_met_no_more(matrices):
    for gradients in matrices.values():
        size = len(gradients)
        orders = torch.stack([torch.arange(size)[torch.arange(size) != k] for k in range(size)])
        coefficients = projected_coefficients(gram_matrix(gradients), orders)
        projected = coefficients @ gradients
        for k in range(size):
            last = gradients[orders[k, -1]]
            scale = projected[k].norm() * last.norm() + gradients.norm(dim=1).max() ** 2 * 1e-13
            assert projected[k] @ last >= -1e-12 * scale


def test_torchjd_agrees_for_two_tasks(torchjd, matrices, equal_losses):
    pairs = [gradients for gradients in matrices.values() if len(gradients) == 2]
    assert pairs
    for gradients in pairs:
        if not gradients.norm(dim=1).all():
            continue
        expected = torchjd.PCGrad()(gradients)
        found = PCGrad().aggregate(gradients, equal_losses("ab"))
        assert relative(found, expected.tolist(), gradients) < TOLERANCE


class TestOrders:
    def test_each_task_meets_every_other_once(self, equal_losses):
        orders = PCGrad().sample_orders(list(equal_losses("abcd")))
        for row, met in enumerate(orders.tolist()):
            assert sorted([row, *met]) == [0, 1, 2, 3]

    def test_all_orders_are_equally_likely(self, equal_losses):
        strategy, keys = PCGrad(), list(equal_losses("abcd"))
        sampled = [tuple(strategy.sample_orders(keys)[0].tolist()) for _ in range(1200)]
        counts = [sampled.count(one) for one in itertools.permutations((1, 2, 3))]
        assert sum(counts) == 1200
        chi_squared = sum((count - 200) ** 2 / 200 for count in counts)
        assert chi_squared < 20.5  # 0.1 % of fair samples exceed this with 5 degrees of freedom

    def test_they_do_not_depend_on_the_order_of_the_tasks(self, equal_losses):
        for names in itertools.permutations("abc"):
            orders = PCGrad().sample_orders(list(equal_losses(names)))
            met = {names[row]: [names[k] for k in orders[row]] for row in range(3)}
            if names == ("a", "b", "c"):
                expected = met
            assert met == expected

    def test_they_change_from_step_to_step(self, equal_losses):
        strategy, keys = PCGrad(), list(equal_losses("abcd"))
        sampled = {tuple(strategy.sample_orders(keys).flatten().tolist()) for _ in range(10)}
        assert len(sampled) > 1

    def test_the_seed_decides(self, equal_losses):
        keys = list(equal_losses("abcd"))
        sampled = [
            torch.stack([strategy.sample_orders(keys) for _ in range(5)])
            for strategy in (PCGrad(), PCGrad(), PCGrad(PCGradConfig(seed=1)))
        ]
        assert torch.equal(sampled[0], sampled[1])
        assert not torch.equal(sampled[0], sampled[2])

    def test_the_global_generator_is_left_alone(self, equal_losses):
        before = torch.get_rng_state()
        PCGrad().sample_orders(list(equal_losses("abcd")))
        assert torch.equal(torch.get_rng_state(), before)

    def test_a_checkpoint_continues_where_it_stopped(self, equal_losses, tmp_path):
        keys = list(equal_losses("abcd"))
        strategy = PCGrad()
        strategy.sample_orders(keys)
        torch.save(strategy.state_dict(), tmp_path / "state.pt")
        resumed = PCGrad(PCGradConfig(seed=5))
        resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        following = [strategy.sample_orders(keys) for _ in range(3)]
        assert all(torch.equal(resumed.sample_orders(keys), one) for one in following)


class TestPrecision:
    def test_single_precision_agrees_with_double(self, matrices, equal_losses):
        for gradients in matrices.values():
            losses = equal_losses("abcd"[: len(gradients)])
            exact = PCGrad().aggregate(gradients, losses)
            found = PCGrad().aggregate(gradients.float(), losses)
            assert found.dtype == torch.float32
            assert relative(found.double(), exact.tolist(), gradients) < 1e-5

    def test_gradients_whose_squares_leave_single_precision(self, equal_losses):
        one, other = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
        gradients = torch.stack((1e22 * one, other))
        found = PCGrad().aggregate(gradients, equal_losses("ab"))
        torch.testing.assert_close(found / 1e22, torch.tensor([0.5, 0.5]))

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_what_is_not_finite_is_passed_on(self, bad, equal_losses):
        gradients = torch.tensor([[1.0, 2.0], [bad, -1.0], [0.5, 0.5]])
        found = PCGrad().aggregate(gradients, equal_losses("abc"))
        assert not found.isfinite().all()

    def test_the_rows_are_not_changed(self, matrices, equal_losses):
        gradients = matrices[4]
        before = gradients.clone()
        PCGrad().aggregate(gradients, equal_losses("abcd"[: len(gradients)]))
        assert torch.equal(gradients, before)


def test_a_wrong_setting_is_named():
    spec = build_registry().get("strategy", "pcgrad")
    with pytest.raises(ConfigError, match=r"strategy\.sed"):
        spec.load_config().from_options({"sed": 1}, where="strategy")
