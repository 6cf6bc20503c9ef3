"""Every check of a strategy is failed by a strategy with that one fault, and by no other."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from matsciml_core import Strategy, StrategySpec
from matsciml_core.errors import ConfigError
from matsciml_core.testing import examples
from matsciml_core.testing.examples import ExampleStrategy
from matsciml_core.testing.strategy.subject import Network, cosine, make_tasks, plain

SPEC = examples.STRATEGY


class Doubles(ExampleStrategy):
    def combine(self, losses):
        return 2 * super().combine(losses)


class FirstTaskOnly(ExampleStrategy):
    def combine(self, losses):
        return next(iter(losses.values()))


class KeepsTheLosses(ExampleStrategy):
    def combine(self, losses):
        self.last = list(losses.values())
        return super().combine(losses)


class DividesByTheLoss(ExampleStrategy):
    """Scales every loss to one, which a loss of zero cannot be."""

    def combine(self, losses):
        return torch.stack([loss / loss.detach() for loss in losses.values()]).mean()


class NeedsBothTasks(ExampleStrategy):
    def validate(self, tasks):
        self.keys = [task.key for task in tasks]

    def combine(self, losses):
        return torch.stack([losses[key] for key in self.keys]).sum()


class ByPosition(ExampleStrategy):
    """Weights tasks by the place at which they are listed."""

    def combine(self, losses):
        weights = torch.arange(1, len(losses) + 1, dtype=torch.float64)
        return (torch.stack(list(losses.values())) * weights).sum()


class WritesToTheLosses(ExampleStrategy):
    def combine(self, losses):
        total = super().combine(losses)
        for loss in losses.values():
            loss.data.mul_(2)
        return total


class ReturnsAVector(ExampleStrategy):
    needs_task_gradients = True

    def combine(self, losses):
        return torch.stack(list(losses.values()))

    def aggregate(self, gradients, losses):
        return gradients.sum(0)


class WithoutGraph(ExampleStrategy):
    needs_task_gradients = True

    def combine(self, losses):
        return super().combine(losses).detach()

    def aggregate(self, gradients, losses):
        return gradients.sum(0)


class UnknownMode(ExampleStrategy):
    batch_mode = "shuffled"


class KeepsALambda(ExampleStrategy):
    def __init__(self, config=None):
        super().__init__(config)
        self.weight = lambda key: 1.0


class CountsOutsideTheState(ExampleStrategy):
    """Fades its gradients from step to step, by a number that a checkpoint does not hold."""

    steps = 0

    def combine(self, losses):
        self.steps += 1
        return super().combine(losses) / self.steps


class FavoursALoss(ExampleStrategy):
    """Draws batches, but only from the first dataset."""

    batch_mode = "sampled"

    def shares(self, batches):
        return {name: float(name == "data0") for name in batches}


class Aggregates(Strategy):
    """The plain sum, made of the task gradients."""

    needs_task_gradients = True

    def combine(self, losses):
        return torch.stack(list(losses.values())).sum()

    def aggregate(self, gradients, losses):
        return gradients.sum(0)


class ReturnsAMatrix(Aggregates):
    def aggregate(self, gradients, losses):
        return gradients


class AveragesForEver(Aggregates):
    """Divides by a running mean of the norms, which one NaN spoils."""

    def __init__(self, config=None):
        super().__init__(config)
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))

    def aggregate(self, gradients, losses):
        self.mean = 0.9 * self.mean + 0.1 * gradients.norm()
        return super().aggregate(gradients, losses) * (1 + self.mean) / (1 + self.mean)


class Projects(Aggregates):
    """Projects each task's gradient, one after the other, in random order."""

    def aggregate(self, gradients, losses):
        return sum(self.project(list(gradients)))

    def project(self, vectors):
        for vector in vectors:
            projected = vector
            others = [other for other in vectors if other is not vector]
            for other in random.sample(others, len(others)):
                norm = other @ other
                overlap = projected @ other
                if overlap < 0 and norm > 0:
                    projected = projected - overlap / norm * other
            yield projected


class ProjectsOntoNothing(Projects):
    """Divides by the norm of a gradient that may be zero."""

    def project(self, vectors):
        for vector in vectors:
            projected = vector
            for other in vectors:
                if other is not vector:
                    overlap = torch.clamp(projected @ other, max=0.0)
                    projected = projected - overlap / (other @ other) * other
            yield projected


class Learned(ExampleStrategy):
    """Weighs losses by learned uncertainties, a parameter that must survive saving."""

    def __init__(self, config=None):
        super().__init__(config)
        self.logarithm = nn.Parameter(torch.zeros(()))

    def combine(self, losses):
        return torch.exp(-self.logarithm) * super().combine(losses) + self.logarithm


class OneTask(ExampleStrategy):
    def validate(self, tasks):
        if len(tasks) > 1:
            raise ConfigError("One task only; choose another strategy.")

    def combine(self, losses):
        (loss,) = losses.values()
        return loss


class OneDataset(ExampleStrategy):
    def validate(self, tasks):
        if len({task.dataset for task in tasks}) > 1:
            raise ConfigError("One dataset only; choose another strategy.")


class WithoutASentence(ExampleStrategy):
    def validate(self, tasks):
        if len(tasks) > 1:
            raise ConfigError


class RejectsEverything(ExampleStrategy):
    def validate(self, tasks):
        if len(tasks) > 1:
            raise ConfigError("One task only.")


FAULTS = [
    (Doubles, {"single-task"}),
    (FirstTaskOnly, {"heads-keep-their-gradient", "task-order"}),
    (KeepsTheLosses, {"no-stale-graph", "save-and-load"}),
    (NeedsBothTasks, {"missing-task"}),
    (ByPosition, {"task-order"}),
    (WritesToTheLosses, {"loss-to-log"}),
    (ReturnsAVector, {"loss-to-log"}),
    (WithoutGraph, {"loss-to-log"}),
    (UnknownMode, {"construction"}),
    (KeepsALambda, {"save-and-load"}),
    (CountsOutsideTheState, {"save-and-load"}),
    (FavoursALoss, {"construction"}),
    (AveragesForEver, {"not-finite"}),
    (ProjectsOntoNothing, {"zero-gradient"}),
]


def test_the_example_keeps_every_promise(outcome):
    found = outcome(SPEC)
    assert not found.failed | found.warned
    assert found.skipped == {"limits", "settings", "light-settings"}


@pytest.mark.parametrize("component", [Aggregates, Learned])
def test_other_correct_strategies_pass(outcome, component):
    found = outcome(SPEC, component)
    assert not found.failed | found.warned


def test_an_order_that_matters_for_three_tasks_is_a_warning_where_it_may(outcome):
    found = outcome(SPEC, Projects)
    assert not found.failed
    assert found.warned == {"task-order"}
    assert "With three tasks" in found.row("task-order").explanation


@pytest.mark.parametrize(
    ("component", "expected"), FAULTS, ids=[component.__name__ for component, _ in FAULTS]
)
def test_a_fault_fails_the_right_rows(outcome, component, expected):
    assert outcome(SPEC, component).failed == expected


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (DividesByTheLoss, {"single-task", "zero-gradient"}),
        (ReturnsAMatrix, {"single-task", "accumulation"}),
    ],
)
def test_a_fault_with_many_consequences_fails_these_rows_too(outcome, component, expected):
    assert expected <= outcome(SPEC, component).failed


class TestLimits:
    one_task = replace(SPEC, max_tasks=1, max_datasets=1)

    def test_a_strategy_for_one_task_is_checked_with_one(self, outcome):
        found = outcome(self.one_task, OneTask)
        assert not found.failed
        assert found.row("limits").measured == "tasks 1, datasets 1"
        assert {"task-order", "identical-tasks", "missing-task"} <= found.skipped
        assert "max_tasks=1" in found.row("task-order").explanation

    def test_a_limit_that_is_declared_must_be_kept(self, outcome):
        found = outcome(replace(SPEC, max_tasks=2))
        assert found.failed == {"limits"}
        assert found.row("limits").measured == "3 tasks"

    def test_a_limit_of_datasets_too(self, outcome):
        assert not outcome(replace(SPEC, max_datasets=1), OneDataset).failed
        found = outcome(replace(SPEC, max_datasets=2))
        assert found.row("limits").measured == "3 datasets"

    def test_a_refusal_needs_a_sentence(self, outcome):
        found = outcome(self.one_task, WithoutASentence)
        assert "without a sentence" in found.row("limits").explanation

    def test_what_is_not_declared_must_not_be_rejected(self, outcome):
        assert "construction" in outcome(SPEC, RejectsEverything).failed

    def test_tasks_share_as_many_datasets_as_the_strategy_may_draw_from(self):
        assert [task.dataset for task in make_tasks(3, datasets=1)] == ["data0"] * 3
        assert [task.dataset for task in make_tasks(3, datasets=3)] == ["data0", "data1", "data2"]


def test_only_strategies_can_be_checked_as_strategies(outcome):
    class NoStrategy(nn.Module):
        def __init__(self, config=None):
            super().__init__()

    found = outcome(SPEC, NoStrategy)
    assert found.failed == {"construction"}
    assert "not a subclass of Strategy" in found.row("construction").explanation


class TestNetwork:
    """The network on which strategies are tested really has a conflict to resolve."""

    def test_its_tasks_contradict_each_other(self):
        tasks = make_tasks(3, datasets=1)
        vectors = [plain(tasks, k).shared_gradient() for k in range(3)]
        cosines = [cosine(*pair) for pair in itertools.combinations(vectors, 2)]
        assert all(-1 < value < -0.1 for value in cosines)
        assert cosine(vectors[0], vectors[0]) == pytest.approx(1)

    def test_fewer_tasks_are_the_first_of_more(self):
        two, three = (plain(make_tasks(k, datasets=1), 0).shared_gradient() for k in (2, 3))
        assert torch.equal(two, three)

    def test_it_always_starts_from_the_same_weights(self):
        tasks = make_tasks(2, datasets=1)
        first, second = (Network(tasks).losses() for _ in range(2))
        assert all(torch.equal(first[key], second[key]) for key in first)

    def test_a_layer_is_used_by_nothing(self):
        network = plain(make_tasks(2, datasets=1), 0)
        assert network.unused.weight.grad is None
        assert network.heads[1].weight.grad is None


def test_specs_of_other_kinds_are_rejected():
    from matsciml_core.testing.strategy.subject import StrategySubject

    subject = StrategySubject(spec=examples.ENCODER, component=ExampleStrategy)
    with pytest.raises(TypeError, match="'example' is of the kind encoder, not strategy"):
        _ = subject.declared
    assert isinstance(SPEC, StrategySpec)
