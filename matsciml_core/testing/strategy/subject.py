"""The strategy under test, with a small network that several tasks share."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from matsciml_core.interfaces.strategy import Parameters, Strategy, Task
from matsciml_core.registry.specs import StrategySpec
from matsciml_core.registry.targets import CLASS_KINDS, TargetInfo, TargetKind
from matsciml_core.testing.checks import SEED, Broken, NotApplicable
from matsciml_core.testing.examples import ExampleHead
from matsciml_core.testing.subject import Subject
from matsciml_core.training.gradients import TaskGradients

WIDTH = 6
_ROWS = 12
_NETWORK_SEED = 203
"""Chosen so that the shared gradients of the first three tasks contradict each other."""

Gradients = dict[str, Tensor]
"""Gradient by parameter name; zero where a parameter has none."""


class Network(nn.Module):
    """A shared layer, a layer that nothing uses, and one head per task; float64."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        """Build the layers, always with the same weights."""
        super().__init__()
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(_NETWORK_SEED)
            self.shared = nn.Linear(WIDTH, WIDTH, dtype=torch.float64)
            self.unused = nn.Linear(1, 1, dtype=torch.float64)
            self.inputs = torch.randn(_ROWS, WIDTH, dtype=torch.float64)
            # Head and labels in turn: a task's are the same, however many follow it.
            heads = [
                (nn.Linear(WIDTH, 1, dtype=torch.float64), torch.randn(_ROWS, dtype=torch.float64))
                for _ in tasks
            ]
        self.heads = nn.ModuleList(head for head, _ in heads)
        self.labels = [labels for _, labels in heads]
        self.keys = [task.key for task in tasks]

    @property
    def parameters_by_role(self) -> Parameters:
        """The parameters as a training loop hands them over."""
        shared = (*self.shared.parameters(), *self.unused.parameters())
        heads = zip(self.keys, self.heads, strict=True)
        return Parameters(shared, {key: tuple(head.parameters()) for key, head in heads})

    def losses(self) -> dict[str, Tensor]:
        """Return the mean squared error of each task, with a graph."""
        hidden = torch.tanh(self.shared(self.inputs))
        return {
            key: (head(hidden)[:, 0] - self.labels[k]).square().mean()
            for k, (key, head) in enumerate(zip(self.keys, self.heads, strict=True))
        }

    def gradients(self) -> Gradients:
        """Return the gradients that the parameters have received."""
        return {
            name: torch.zeros_like(value) if value.grad is None else value.grad.detach().clone()
            for name, value in self.named_parameters()
        }

    def shared_gradient(self) -> Tensor:
        """Return the gradient of the shared layer as one vector."""
        return torch.cat([self.gradients()[f"shared.{name}"].flatten() for name in _SHARED])


_SHARED = ("weight", "bias")


@dataclass
class StrategySubject(Subject):
    """A strategy under test."""

    @property
    def declared(self) -> StrategySpec:
        """What the plugin declares."""
        if not isinstance(self.spec, StrategySpec):
            raise TypeError(f"'{self.spec.name}' is of the kind {self.spec.kind}, not strategy.")
        return self.spec

    def build(self, tasks: Sequence[Task]) -> Strategy:
        """Return a new strategy in double precision that is set up for its tasks."""
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(SEED)
            strategy = self.component(self.config)
        if not isinstance(strategy, Strategy):
            raise Broken(f"{self.component.__name__} is not a subclass of Strategy.")
        strategy.validate(tasks)
        strategy.setup(tasks)
        return strategy.double()

    def prepare(self) -> None:
        """Build the strategy for one task."""
        self.build(self.tasks(1))

    def tasks(self, count: int) -> list[Task]:
        """Return tasks, spread over as many datasets as the strategy may train on.

        Raises:
            NotApplicable: The strategy does not train so many tasks.
        """
        self.possible([count])
        return make_tasks(count, datasets=min(count, self.declared.max_datasets or count))

    def possible(self, counts: Sequence[int]) -> list[int]:
        """Return those of some numbers of tasks that the strategy trains.

        Raises:
            NotApplicable: It trains none of them.
        """
        most = self.declared.max_tasks
        allowed = [count for count in counts if most is None or count <= most]
        if not allowed:
            raise NotApplicable(f"The spec declares max_tasks={most}.")
        return allowed


def make_task(label: str, *, dataset: str = "data0", kind: TargetKind = "scalar") -> Task:
    """Return a task with an example head.

    Args:
        label: Name of its label.
        dataset: Name of its dataset.
        kind: Kind of the label; a strategy may weight classes in another way than numbers.
    """
    unit = "class" if kind in CLASS_KINDS else "eV"
    head = ExampleHead([TargetInfo(name=label, kind=kind, unit=unit)], 1, WIDTH)
    return Task(dataset=dataset, head_name="example", head=head)


def make_tasks(count: int, *, datasets: int) -> list[Task]:
    """Return ``count`` tasks on ``datasets`` datasets."""
    return [make_task(f"label{k}", dataset=f"data{k % datasets}") for k in range(count)]


def apply(strategy: Strategy, losses: Mapping[str, Tensor], network: Network) -> None:
    """Let a strategy add its gradients, as a training step does.

    Args:
        strategy: The strategy.
        losses: A scalar with a graph per task key, dimensionless.
        network: Receives the gradients.

    Raises:
        Broken: It returned something else than a gradient of the shared parameters.
    """
    if not strategy.needs_task_gradients:
        torch.autograd.backward(strategy.combine(losses))
        return
    gradients = TaskGradients(network.parameters_by_role, list(losses))
    gradients.add(losses)
    matrix = gradients.matrix()
    combined = strategy.aggregate(matrix, gradients.losses)
    if not isinstance(combined, Tensor) or combined.shape != matrix.shape[1:]:
        shape = tuple(combined.shape) if isinstance(combined, Tensor) else type(combined).__name__
        raise Broken(f"aggregate returned {shape}; return one vector, {tuple(matrix.shape[1:])}.")
    gradients.assign(combined)


def step(
    strategy: Strategy, tasks: Sequence[Task], scales: Sequence[float] | None = None
) -> Network:
    """Take one step on a fresh network and return it with its gradients.

    Args:
        strategy: What to test; a copy takes the step, so that its state stays as it is.
        tasks: The tasks.
        scales: A factor for each task's loss; None: 1.
    """
    network = Network(tasks)
    losses = network.losses()
    if scales is not None:
        losses = {key: scale * losses[key] for key, scale in zip(losses, scales, strict=True)}
    torch.default_generator.manual_seed(SEED)
    apply(copy.deepcopy(strategy), losses, network)
    return network


def plain(tasks: Sequence[Task], index: int) -> Network:
    """Return a network with the plain gradient of one task's loss."""
    network = Network(tasks)
    torch.autograd.backward(network.losses()[network.keys[index]])
    return network


def largest_difference(gradients: Gradients, expected: Gradients) -> float:
    """Return the largest difference between gradients, relative to the largest expected one."""
    scale = max(float(gradient.abs().max()) for gradient in expected.values())
    differences = [
        float((gradients[name] - gradient).abs().max()) for name, gradient in expected.items()
    ]
    worst = torch.tensor(differences).max()  # of torch, for which NaN is the largest
    return float(worst) / max(scale, 1e-300)


def cosine(first: Tensor, second: Tensor) -> float:
    """Return the cosine of the angle between two vectors; 0 where one of them is zero.

    Args:
        first: A vector, ``(n,)``, of any unit.
        second: Another, ``(n,)``, of any unit.
    """
    norms = float(first.norm() * second.norm())
    return float(first @ second) / norms if norms else 0.0
