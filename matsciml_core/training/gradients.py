"""The gradient of each task by itself, for strategies that resolve conflicts between tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from matsciml_core.interfaces.strategy import Parameters
from matsciml_core.training import distributed


class TaskGradients:
    """Sums the gradients of each task over the batches of one optimiser step.

    Each loss is differentiated once, with respect to the shared parameters and its own head's, in
    the graph of one forward pass: T tasks cost T backward passes. Differentiating only up to the
    shared embedding first, and pulling T vectors back through the encoder, costs the same, since
    heads are small, and fails for heads that differentiate with respect to positions, whose
    losses reach the encoder by other ways than the embedding.

    Gradients of the shared parameters are kept as rows of one matrix; those of heads go to
    ``.grad`` at once.

    Args:
        parameters: The parameters by role; frozen ones are left out.
        tasks: Keys of the run's tasks, in the order of the rows.
    """

    def __init__(self, parameters: Parameters, tasks: Sequence[str]) -> None:
        """Make the matrix."""
        self.shared = _trainable(parameters.shared)
        self._heads = {key: _trainable(heads) for key, heads in parameters.heads.items()}
        self._rows = {key: row for row, key in enumerate(tasks)}
        sizes = [parameter.numel() for parameter in self.shared]
        like = self.shared[0].detach() if self.shared else torch.empty(0)
        self._matrix = like.new_zeros((len(tasks), sum(sizes)))
        # Views into the rows, in the shapes of the parameters: adding to them fills the matrix.
        self._pieces = [
            [
                piece.view_as(parameter)
                for piece, parameter in zip(torch.split(row, sizes), self.shared, strict=True)
            ]
            for row in self._matrix
        ]
        self._losses: dict[str, Tensor] = {}
        self.reached = [False] * len(self.shared)
        """Whether any task has reached each shared parameter."""

    def add(self, losses: Mapping[str, Tensor], *, keep_graph: bool = False) -> None:
        """Add the gradients of a batch.

        Args:
            losses: A scalar per task key, dimensionless.
            keep_graph: Whether the losses are differentiated again afterwards.
        """
        count = len(self.shared)
        for number, (key, loss) in enumerate(losses.items()):
            heads = self._heads.get(key, ())
            gradients = torch.autograd.grad(
                loss,
                (*self.shared, *heads),
                retain_graph=keep_graph or number + 1 < len(losses),
                allow_unused=True,
            )
            shared, own = gradients[:count], gradients[count:]
            row = self._pieces[self._rows[key]]
            pairs = [(p, g) for p, g in zip(row, shared, strict=True) if g is not None]
            if pairs:
                # One kernel for all parameters, instead of a launch for each.
                torch._foreach_add_([piece for piece, _ in pairs], [one for _, one in pairs])
            self.reached = [
                before or gradient is not None
                for before, gradient in zip(self.reached, shared, strict=True)
            ]
            _add_to_grad(heads, own)
            summed = self._losses.get(key)
            self._losses[key] = loss.detach() if summed is None else summed + loss.detach()

    @property
    def losses(self) -> dict[str, Tensor]:
        """The summed losses by task, without graph, in the order of the rows."""
        return {key: self._losses[key] for key in self._rows if key in self._losses}

    @property
    def every_row(self) -> Tensor:
        """All rows, ``(tasks of the run, parameters)``; zero for a task that was absent."""
        return self._matrix

    def matrix(self) -> Tensor:
        """Return the rows of the tasks that were present, ``(tasks, parameters)``."""
        rows = [row for key, row in self._rows.items() if key in self._losses]
        if len(rows) == len(self._matrix):
            return self._matrix  # the usual case, without a copy as large as the model
        return torch.stack([self._matrix[row] for row in rows])

    def average_over_ranks(self) -> None:
        """Average the rows over the ranks of a distributed run; heads are averaged elsewhere."""
        if distributed.world_size() == 1:
            return
        distributed.average_over_ranks(self._matrix)
        self.reached = distributed.on_any_rank(self.reached)
        if self._losses:
            values = torch.stack([loss.to(torch.float64) for loss in self.losses.values()])
            distributed.average_over_ranks(values)
            self._losses = dict(zip(self.losses, values, strict=True))

    def assign(self, gradient: Tensor) -> None:
        """Add a gradient of the shared parameters to ``.grad``.

        A parameter that no task reaches receives none, so that an optimiser leaves it alone.

        Args:
            gradient: Of all shared parameters, one behind the other, ``(parameters,)``,
                dimensionless.
        """
        sizes = [parameter.numel() for parameter in self.shared]
        pieces = torch.split(gradient.detach(), sizes)
        gradients = [
            piece.view_as(parameter) if reached else None
            for piece, parameter, reached in zip(pieces, self.shared, self.reached, strict=True)
        ]
        _add_to_grad(self.shared, gradients)


def _trainable(parameters: Iterable[nn.Parameter]) -> tuple[nn.Parameter, ...]:
    return tuple(parameter for parameter in parameters if parameter.requires_grad)


def _add_to_grad(parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor | None]) -> None:
    """Add gradients to those that the parameters have."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            before = parameter.grad
            parameter.grad = gradient if before is None else before + gradient
