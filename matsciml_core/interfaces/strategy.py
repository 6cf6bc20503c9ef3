"""The Strategy interface, a multi-task method: what makes a step, and each parameter's gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from matsciml_core.interfaces.head import TaskHead

if TYPE_CHECKING:
    from matsciml_core.interfaces.batch import CrystalBatch
    from matsciml_core.interfaces.config import Config
    from matsciml_core.interfaces.encoder import Encoder

BatchMode = Literal["max_size_cycle", "max_size", "min_size", "sampled"]
"""How the batches of several datasets are joined into steps.

``max_size_cycle``: each step takes one batch of each dataset; the longest one decides the number
of steps, shorter ones start over, in a new order. ``max_size``: shorter ones drop out instead.
``min_size``: the shortest one decides. ``sampled``: each step takes one batch of one dataset, in
proportion to :meth:`Strategy.shares`.
"""

_CHUNK = 1 << 20
"""Columns of a gradient matrix that are converted to double precision at once."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The unit of work: a dataset, the target(s) taken from it, and the head that predicts them."""

    dataset: str
    """Name of the dataset within the run."""
    head_name: str
    """Registry name of the head."""
    head: TaskHead

    @property
    def key(self) -> str:
        """``"<dataset>/<target>"``, several targets joined by ``+``."""
        return f"{self.dataset}/{'+'.join(info.name for info in self.head.targets)}"

    def target_key(self, target: str) -> str:
        """Return the name under which a target's metrics are reported."""
        return f"{self.dataset}/{target}"


@dataclass(frozen=True)
class Parameters:
    """The parameters of a run, by the role they play in multi-task training."""

    shared: tuple[nn.Parameter, ...]
    """The encoder's."""
    heads: Mapping[str, tuple[nn.Parameter, ...]]
    """The heads', by task key."""


class Strategy(nn.Module, ABC):
    """A strategy S, the field's multi-task method or aggregator: (losses, parameters) → gradients.

    Most strategies are a scalar function of the losses and implement :meth:`combine`; automatic
    differentiation does the rest. One that needs the gradient of each task sets
    ``needs_task_gradients = True`` and implements :meth:`aggregate` too: it sees the gradients of
    all shared parameters as the rows of a matrix and returns one vector. Heads are not shared;
    each receives the plain gradient of its own loss.

    The training loop sees to everything else: one forward pass per step, sums over the batches of
    a step and over the ranks of a distributed run before the strategy is asked, clipping after
    it, and leaving out a step whose gradient is not finite. So a strategy must let a gradient
    that is not finite through, and keep it out of its own state.
    """

    needs_task_gradients: ClassVar[bool] = False
    """Whether :meth:`aggregate` decides the gradient of the shared parameters."""
    closed_form: ClassVar[bool] = False
    """Whether :meth:`solve` fits the heads at once, and there are no gradient steps."""
    batch_mode: BatchMode = "max_size_cycle"
    """How batches of several datasets are joined; of no effect with one dataset."""

    def __init__(self, config: Config | None = None) -> None:
        """Keep the settings."""
        super().__init__()
        self.config = config

    def validate(self, tasks: Sequence[Task]) -> None:
        """Reject tasks that the strategy cannot train together.

        Raises:
            ConfigError: With a sentence that says which strategies can.
        """

    def setup(self, tasks: Sequence[Task]) -> None:
        """Get ready for the tasks of a run: make parameters and buffers that depend on them.

        Called once, after :meth:`validate` and before any state is loaded.
        """

    def shares(self, batches: Mapping[str, int]) -> Mapping[str, float]:
        """Return how often each dataset gets a step; only called where ``sampled``.

        Args:
            batches: Number of batches in one pass, by dataset.

        Returns:
            Positive numbers in proportion to the steps that each dataset gets; the default is in
            proportion to its size, so that every crystal is seen once per epoch.
        """
        return {name: float(count) for name, count in batches.items()}

    @abstractmethod
    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the scalar to differentiate (and to log).

        Args:
            losses: A scalar per task key, dimensionless; a task without a label in this step is
                absent.

        Returns:
            A scalar with a graph.
        """

    def aggregate(self, gradients: Tensor, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the gradient of the shared parameters; only called where ``needs_task_gradients``.

        Args:
            gradients: One row per task, ``(tasks, parameters)``, in the units of 1 / parameter; a
                parameter that a task does not reach has a zero.
            losses: The losses without their graph, a scalar per task key in the order of the rows,
                dimensionless; a task without a label in this step is absent from both.

        Returns:
            ``(parameters,)``.
        """
        raise NotImplementedError

    def solve(
        self,
        encoder: Encoder,
        tasks: Sequence[Task],
        batches: Mapping[str, Iterable[CrystalBatch]],
        seed: int,
    ) -> None:
        """Fit the heads of all tasks; only called where ``closed_form``.

        Args:
            encoder: The encoder, which stays as it is.
            tasks: The tasks, each with a :class:`~matsciml_core.FeatureHead` whose ``fit`` was
                called.
            batches: The training crystals of each dataset, on the encoder's device, read once.
            seed: Of all that is drawn at random.
        """
        raise NotImplementedError


def gram_matrix(gradients: Tensor) -> Tensor:
    """Return G Gᵀ, the dot products of all pairs of task gradients, in double precision.

    Sums over millions of parameters lose digits in single precision, and squares of gradients of
    very different size leave its range; the matrix is converted piece by piece, so that no copy
    of it is made.

    Args:
        gradients: One row per task, ``(tasks, parameters)``, in the units of 1 / parameter.

    Returns:
        ``(tasks, tasks)`` float64, on the same device.
    """
    total = gradients.new_zeros((len(gradients), len(gradients)), dtype=torch.float64)
    for piece in torch.split(gradients, _CHUNK, dim=1):
        wide = piece.to(torch.float64)
        total.addmm_(wide, wide.T)
    return total
